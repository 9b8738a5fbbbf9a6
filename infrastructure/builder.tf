# Who builds images and functions, instead of the project's default account, which may do too much.
resource "google_service_account" "builder" {
  project      = var.project_id
  account_id   = "${var.prefix}-builder"
  display_name = "Workflows image and function builds"

  depends_on = [google_project_service.required]
}

# Logs can be written to a whole project only.
resource "google_project_iam_member" "builder_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.builder.member
}

# A build reads its source from our bucket, or from the one Google copies functions to, which it
# makes itself; hence a condition rather than a binding on a bucket.
resource "google_project_iam_member" "builder_sources" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.builder.member

  condition {
    title      = "sources-of-builds"
    expression = <<-EOT
      resource.name.startsWith("projects/_/buckets/gcf-v2-sources-") ||
      resource.name == "projects/_/buckets/${google_storage_bucket.sources.name}" ||
      resource.name.startsWith("projects/_/buckets/${google_storage_bucket.sources.name}/")
    EOT
  }
}

resource "google_storage_bucket" "sources" {
  project                     = var.project_id
  name                        = "${var.project_id}-${var.prefix}-sources"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # zipped sources only; git has them
  labels                      = var.labels

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      age                = 30
      with_state         = "ARCHIVED"
      num_newer_versions = 1
    }
  }

  depends_on = [google_project_service.required]
}
