output "name" {
  description = "Name of the function, and of the Cloud Run service it is."
  value       = google_cloudfunctions2_function.function.name
}

output "url" {
  description = "Address of the function (run.app); the audience of the tokens it is called with."
  value       = google_cloudfunctions2_function.function.service_config[0].uri
}

output "service_account_member" {
  description = "The account the function runs as, as an IAM member."
  value       = google_service_account.function.member
}

output "grants" {
  description = "Every role this module gives: who has which role on what."
  value = concat(
    [for grant in google_secret_manager_secret_iam_member.accessor : { member = grant.member, role = grant.role, resource = "secret ${grant.secret_id}" }],
    [for grant in google_cloud_run_v2_service_iam_member.invoker : { member = grant.member, role = grant.role, resource = "function ${grant.name}" }],
  )
}
