output "jobs" {
  description = "Every job by workflow: job_name (also its account's name), image, pushes, starts (workflows whose jobs it starts, for steps that are flows), timeout_seconds, memory, cpu, max_retries, secrets (environment variables), environment."
  value       = local.jobs
}

output "job_names" {
  description = "Name of the Cloud Run job of each workflow."
  value       = { for name, job in local.jobs : name => job.job_name }
}

output "flow_step_variables" {
  description = "Environment variables that say where the steps of a job that are flows run; they follow from this catalogue."
  value       = local.flow_step_variables
}

output "images" {
  description = "The images there must be: the targets of the Dockerfile that jobs use."
  value       = sort(distinct([for job in values(local.jobs) : job.image]))
}

output "secret_ids" {
  description = "Secret Manager id of each secret environment variable, those of functions included."
  value       = local.secret_ids
}
