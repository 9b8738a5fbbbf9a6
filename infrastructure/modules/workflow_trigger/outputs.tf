output "topic" {
  description = "Name of the topic that takes messages."
  value       = google_pubsub_topic.messages.name
}

output "topic_id" {
  description = "Full name of that topic: projects/P/topics/NAME."
  value       = google_pubsub_topic.messages.id
}

output "subscription" {
  description = "Name of the push subscription."
  value       = google_pubsub_subscription.push.name
}

output "dead_letter_topic" {
  description = "Name of the topic of dead letters, as the push subscription has it."
  value       = split("/", google_pubsub_subscription.push.dead_letter_policy[0].dead_letter_topic)[3]
}

output "dead_letter_subscription" {
  description = "Name of the subscription that keeps dead letters for 31 days."
  value       = google_pubsub_subscription.dead.name
}

output "max_delivery_attempts" {
  description = "After how many tries a message becomes a dead letter."
  value       = google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts
}

output "function" {
  description = "Name of the trigger function."
  value       = module.function.name
}

output "url" {
  description = "Address of the trigger function."
  value       = module.function.url
}

output "service_account_member" {
  description = "The account that starts jobs, as an IAM member; each job names it as executor."
  value       = module.function.service_account_member
}

output "grants" {
  description = "Every role this module gives: who has which role on what."
  value = concat(
    module.function.grants,
    [for grant in google_pubsub_topic_iam_member.dead_publisher : { member = grant.member, role = grant.role, resource = "topic ${grant.topic}" }],
    [for grant in [google_pubsub_subscription_iam_member.forwarder] : { member = grant.member, role = grant.role, resource = "subscription ${grant.subscription}" }],
  )
}
