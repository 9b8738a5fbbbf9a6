output "function" {
  description = "Name of the function."
  value       = module.function.name
}

output "url" {
  description = "Address of the function."
  value       = module.function.url
}

output "grants" {
  description = "Every role this module gives: who has which role on what."
  value = concat(
    module.function.grants,
    [for grant in [google_pubsub_topic_iam_member.publisher] : { member = grant.member, role = grant.role, resource = "topic ${grant.topic}" }],
  )
}
