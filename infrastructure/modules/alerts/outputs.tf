output "policies" {
  description = "Display name of each alert policy."
  value       = { for name, policy in google_monitoring_alert_policy.policies : name => policy.display_name }
}

output "channels" {
  description = "The notification channels the policies tell."
  value       = local.channels
}
