resource "google_service_account" "job" {
  project      = var.project_id
  account_id   = var.name
  display_name = "Workflows job ${var.workflow}"
}

resource "google_secret_manager_secret_iam_member" "accessor" {
  for_each = var.secrets

  project   = var.project_id
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.job.member
}

resource "google_cloud_run_v2_job" "job" {
  project             = var.project_id
  location            = var.region
  name                = var.name
  labels              = var.labels
  deletion_protection = var.deletion_protection

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account = google_service_account.job.email
      timeout         = "${var.timeout_seconds}s"
      max_retries     = var.max_retries

      # no command and no args: the image's entrypoint, and the flags of an execution
      containers {
        image = var.image

        resources {
          limits = { cpu = var.cpu, memory = var.memory }
        }

        env {
          name  = "WORKFLOW_NAME"
          value = var.workflow
        }

        dynamic "env" {
          for_each = var.environment

          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = var.secrets

          content {
            name = env.key

            value_source {
              secret_key_ref {
                secret  = env.value.secret_id
                version = env.value.version
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    # `make deploy-jobs` sets the image and nothing else; gcloud signs what it changed
    ignore_changes = [template[0].template[0].containers[0].image, client, client_version]
  }

  # Cloud Run checks the access when the job is made
  depends_on = [google_secret_manager_secret_iam_member.accessor]
}

resource "google_cloud_run_v2_job_iam_member" "executor" {
  for_each = var.executors

  project  = google_cloud_run_v2_job.job.project
  location = google_cloud_run_v2_job.job.location
  name     = google_cloud_run_v2_job.job.name
  role     = "roles/run.jobsExecutorWithOverrides"
  member   = each.value
}

resource "google_cloud_run_v2_job_iam_member" "viewer" {
  for_each = var.viewers

  project  = google_cloud_run_v2_job.job.project
  location = google_cloud_run_v2_job.job.location
  name     = google_cloud_run_v2_job.job.name
  role     = "roles/run.viewer"
  member   = each.value
}
