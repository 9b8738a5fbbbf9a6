output "name" {
  description = "Name of the job."
  value       = google_cloud_run_v2_job.job.name
}

output "service_account_email" {
  description = "The account the job runs as; it is this job's own."
  value       = google_cloud_run_v2_job.job.template[0].template[0].service_account
}

output "service_account_member" {
  description = "That account as an IAM member."
  value       = google_service_account.job.member
}

output "account_id" {
  description = "Name of that account, known before it is made."
  value       = google_service_account.job.account_id
}

output "max_retries" {
  description = "How often Cloud Run tries a failed task again."
  value       = google_cloud_run_v2_job.job.template[0].template[0].max_retries
}

output "timeout" {
  description = "Longest time of an execution, such as 900s."
  value       = google_cloud_run_v2_job.job.template[0].template[0].timeout
}

output "environment" {
  description = "The job's environment variables that are no secrets."
  value       = { for variable in google_cloud_run_v2_job.job.template[0].template[0].containers[0].env : variable.name => variable.value if length(variable.value_source) == 0 }
}

output "grants" {
  description = "Every role this module gives: who has which role on what."
  value = concat(
    [for grant in google_secret_manager_secret_iam_member.accessor : { member = grant.member, role = grant.role, resource = "secret ${grant.secret_id}" }],
    [for grant in google_cloud_run_v2_job_iam_member.executor : { member = grant.member, role = grant.role, resource = "job ${grant.name}" }],
    [for grant in google_cloud_run_v2_job_iam_member.viewer : { member = grant.member, role = grant.role, resource = "job ${grant.name}" }],
  )
}
