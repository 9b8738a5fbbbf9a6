# Containers only. A person adds the values (`gcloud secrets versions add`, see docs/deploy.md), so
# that none is ever in a plan or in the state; secret_versions then names the versions jobs use.
resource "google_secret_manager_secret" "empty" {
  for_each = module.catalog.secret_ids

  project             = var.project_id
  secret_id           = each.value
  labels              = var.labels
  deletion_protection = var.deletion_protection

  replication {
    auto {}
  }

  depends_on = [google_project_service.required]
}
