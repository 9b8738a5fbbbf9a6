output "project_id" {
  description = "Project everything is in; the make targets read it here."
  value       = var.project_id
}

output "region" {
  description = "Region of the jobs, the functions and the images."
  value       = var.region
}

output "registry" {
  description = "Where images are pushed: REGION-docker.pkg.dev/PROJECT/REPOSITORY."
  value       = module.registry.url
}

output "builder" {
  description = "Service account that builds images: projects/P/serviceAccounts/EMAIL."
  value       = google_service_account.builder.name
}

output "source_bucket" {
  description = "Bucket that takes the sources of builds."
  value       = google_storage_bucket.sources.name
}

output "topic" {
  description = "Name of the topic that takes messages."
  value       = module.trigger.topic
}

output "subscription" {
  description = "Name of the subscription that hands messages to the trigger function."
  value       = module.trigger.subscription
}

output "dead_letter_topic" {
  description = "Name of the topic of messages that could not be carried out."
  value       = module.trigger.dead_letter_topic
}

output "dead_letter_subscription" {
  description = "Name of the subscription that keeps them for 31 days."
  value       = module.trigger.dead_letter_subscription
}

output "functions" {
  description = "Address of each function there is, by its name."
  value = merge(
    { (module.trigger.function) = module.trigger.url },
    { for webhook in module.webhook : webhook.function => webhook.url },
    { for publisher in module.publisher : publisher.function => publisher.url },
  )
}

output "job_names" {
  description = "Name of the job of each workflow that has an image."
  value       = { for name, job in module.jobs : name => job.name }
}

output "job_images" {
  description = "Which image (target of the Dockerfile) the job of each workflow runs; `make deploy-jobs` reads it."
  value       = { for name, job in local.deployable : name => job.image }
}

output "jobs" {
  description = "What matters of each job: its account, its time limit, how often it is tried again and its variables that are no secrets; `make verify-deployment` compares them with the project."
  value = {
    for name, job in module.jobs : name => {
      name                  = job.name
      account_id            = job.account_id
      service_account_email = job.service_account_email
      timeout               = job.timeout
      max_retries           = job.max_retries
      environment           = job.environment
    }
  }
}

output "max_delivery_attempts" {
  description = "After how many tries a message becomes a dead letter."
  value       = module.trigger.max_delivery_attempts
}

output "secret_ids" {
  description = "Secret Manager id of each secret environment variable; add the values there."
  value       = module.catalog.secret_ids
}

output "missing_secrets" {
  description = "Secrets that no version is named for in secret_versions, and which nothing is given."
  value       = sort([for variable in keys(module.catalog.secret_ids) : variable if !contains(keys(var.secret_versions), variable)])
}

output "alerts" {
  description = "Display name of each alert policy."
  value       = module.alerts.policies
}

output "iam_grants" {
  description = "Every role this deployment gives: who has which role on what. `make verify-deployment` compares it with the project."
  value = concat(
    module.registry.grants,
    module.trigger.grants,
    flatten([for webhook in module.webhook : webhook.grants]),
    flatten([for publisher in module.publisher : publisher.grants]),
    flatten([for job in module.jobs : job.grants]),
    [for grant in google_cloud_run_v2_job_iam_member.flow_steps : { member = grant.member, role = grant.role, resource = "job ${grant.name}" }],
    [for grant in google_storage_bucket_iam_member.dags : { member = grant.member, role = grant.role, resource = "bucket ${grant.bucket}" }],
    [for grant in [google_project_iam_member.builder_logs, google_project_iam_member.builder_sources] : { member = grant.member, role = grant.role, resource = "project ${grant.project}" }],
  )
}
