locals {
  name          = "${var.prefix}-trigger"
  pubsub_member = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "messages" {
  project = var.project_id
  name    = "${var.prefix}-messages"
  labels  = var.labels
}

resource "google_pubsub_topic" "dead" {
  project = var.project_id
  name    = "${var.prefix}-dead-letters"
  labels  = var.labels
}

# Without a subscription a dead letter is gone at once. This one is for people: see docs/operations.md.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project_id
  name                       = google_pubsub_topic.dead.name
  topic                      = google_pubsub_topic.dead.id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }
}

module "function" {
  source = "../function"

  project_id        = var.project_id
  region            = var.region
  name              = local.name
  description       = "Starts the job a message names"
  entry_point       = "trigger"
  source_dir        = var.source_dir
  source_bucket     = var.source_bucket
  builder           = var.builder
  docker_repository = var.docker_repository
  timeout_seconds   = var.timeout_seconds
  max_instances     = var.max_instances
  labels            = var.labels
  invokers          = { push = google_service_account.push.member }

  environment = merge({
    WORKFLOWS_PROJECT           = var.project_id
    WORKFLOWS_REGION            = var.region
    WORKFLOW_JOBS               = jsonencode(var.job_names)
    WORKFLOWS_DEAD_LETTER_TOPIC = google_pubsub_topic.dead.id
  }, var.environment)
}

# Who Pub/Sub says it is when it calls the function; it may do nothing else.
resource "google_service_account" "push" {
  project      = var.project_id
  account_id   = "${var.prefix}-push"
  display_name = "Workflows messages on their way to the trigger"
}

resource "google_pubsub_subscription" "push" {
  project                    = var.project_id
  name                       = local.name
  topic                      = google_pubsub_topic.messages.id
  labels                     = var.labels
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = "${var.retention_seconds}s"

  push_config {
    # functions-framework reads the topic from the path
    push_endpoint = "${module.function.url}/${google_pubsub_topic.messages.id}"

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = module.function.url
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = var.max_delivery_attempts
  }

  expiration_policy {
    ttl = ""
  }
}

# What moving a message to the dead letters takes: publish there, acknowledge here.
resource "google_pubsub_topic_iam_member" "dead_publisher" {
  for_each = {
    pubsub   = local.pubsub_member
    function = module.function.service_account_member
  }

  project = google_pubsub_topic.dead.project
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = each.value
}

resource "google_pubsub_subscription_iam_member" "forwarder" {
  project      = google_pubsub_subscription.push.project
  subscription = google_pubsub_subscription.push.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_member
}
