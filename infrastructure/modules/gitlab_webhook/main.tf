module "function" {
  source = "../function"

  project_id        = var.project_id
  region            = var.region
  name              = "${var.prefix}-webhook"
  description       = "Turns deliveries of GitLab into messages"
  entry_point       = "gitlab_webhook"
  source_dir        = var.source_dir
  source_bucket     = var.source_bucket
  builder           = var.builder
  docker_repository = var.docker_repository
  max_instances     = var.max_instances
  ingress           = "ALLOW_ALL"
  labels            = var.labels
  secrets           = { GITLAB_WEBHOOK_SECRET = var.secret }
  invokers          = merge(var.invokers, var.allow_public ? { public = "allUsers" } : {})

  environment = merge({
    WORKFLOWS_TOPIC     = "projects/${var.project_id}/topics/${var.topic}"
    GITLAB_BOT_ID       = tostring(var.bot.id)
    GITLAB_BOT_USERNAME = var.bot.username
  }, var.environment)
}

resource "google_pubsub_topic_iam_member" "publisher" {
  project = var.project_id
  topic   = var.topic
  role    = "roles/pubsub.publisher"
  member  = module.function.service_account_member
}
