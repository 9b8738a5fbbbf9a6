module "function" {
  source = "../function"

  project_id        = var.project_id
  region            = var.region
  name              = "${var.prefix}-publisher"
  description       = "Turns authenticated requests into messages"
  entry_point       = "http_publisher"
  source_dir        = var.source_dir
  source_bucket     = var.source_bucket
  builder           = var.builder
  docker_repository = var.docker_repository
  max_instances     = var.max_instances
  ingress           = "ALLOW_ALL"
  labels            = var.labels
  invokers          = var.invokers

  environment = merge({
    WORKFLOWS_TOPIC = "projects/${var.project_id}/topics/${var.topic}"
    WORKFLOW_JOBS   = jsonencode(var.job_names)
  }, var.environment)
}

resource "google_pubsub_topic_iam_member" "publisher" {
  project = var.project_id
  topic   = var.topic
  role    = "roles/pubsub.publisher"
  member  = module.function.service_account_member
}
