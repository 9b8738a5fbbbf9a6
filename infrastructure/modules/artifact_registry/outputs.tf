output "url" {
  description = "Where images are pushed: REGION-docker.pkg.dev/PROJECT/REPOSITORY."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "id" {
  description = "Full name of the repository: projects/P/locations/R/repositories/NAME."
  value       = google_artifact_registry_repository.images.id
}

output "grants" {
  description = "Every role this module gives: who has which role on what."
  value = [
    for grant in google_artifact_registry_repository_iam_member.writers :
    { member = grant.member, role = grant.role, resource = "repository ${var.repository_id}" }
  ]
}
