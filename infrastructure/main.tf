# The whole deployment: names from the catalogue, one job for each workflow, and what starts them.
data "google_project" "this" {
  project_id = var.project_id

  depends_on = [google_project_service.required]
}

module "catalog" {
  source = "./modules/job_catalog"

  prefix    = var.prefix
  overrides = var.job_overrides
}

module "registry" {
  source = "./modules/artifact_registry"

  project_id    = var.project_id
  region        = var.region
  repository_id = var.prefix
  labels        = var.labels
  writers       = { builder = google_service_account.builder.member }

  depends_on = [google_project_service.required]
}

module "jobs" {
  source   = "./modules/workflow_job"
  for_each = local.deployable

  project_id          = var.project_id
  region              = var.region
  name                = each.value.job_name
  workflow            = each.key
  image               = var.images[each.value.image]
  timeout_seconds     = each.value.timeout_seconds
  memory              = each.value.memory
  cpu                 = each.value.cpu
  max_retries         = each.value.max_retries
  environment         = merge(local.journals[each.key], var.job_environment, each.value.environment, local.flow_steps[each.key])
  labels              = var.labels
  deletion_protection = var.deletion_protection
  executors           = { trigger = module.trigger.service_account_member }
  viewers             = var.trigger_sees_executions ? { trigger = module.trigger.service_account_member } : {}

  secrets = {
    for variable in each.value.secrets : variable => {
      secret_id = google_secret_manager_secret.empty[variable].secret_id
      version   = var.secret_versions[variable]
    } if contains(keys(var.secret_versions), variable)
  }

  depends_on = [google_project_service.required]
}

module "trigger" {
  source = "./modules/workflow_trigger"

  project_id            = var.project_id
  project_number        = data.google_project.this.number
  region                = var.region
  prefix                = var.prefix
  job_names             = module.catalog.job_names
  source_dir            = local.function_sources.workflow_trigger
  source_bucket         = google_storage_bucket.sources.name
  builder               = google_service_account.builder.name
  docker_repository     = module.registry.id
  max_delivery_attempts = var.max_delivery_attempts
  labels                = var.labels

  # a build needs the builder's roles, those on the repository included
  depends_on = [google_project_service.required, module.registry, google_project_iam_member.builder_logs, google_project_iam_member.builder_sources]
}

# There is a webhook once the bot is known and the secret has a version: without, it cannot start.
module "webhook" {
  source = "./modules/gitlab_webhook"
  count  = var.gitlab_bot == null ? 0 : 1

  project_id        = var.project_id
  region            = var.region
  prefix            = var.prefix
  topic             = module.trigger.topic
  source_dir        = local.function_sources.gitlab_webhook
  source_bucket     = google_storage_bucket.sources.name
  builder           = google_service_account.builder.name
  docker_repository = module.registry.id
  environment       = var.webhook_environment
  bot               = var.gitlab_bot
  invokers          = var.webhook_invokers
  allow_public      = var.webhook_allow_public
  labels            = var.labels

  secret = {
    secret_id = google_secret_manager_secret.empty[local.webhook_secret].secret_id
    version   = var.secret_versions[local.webhook_secret]
  }

  # a build needs the builder's roles, those on the repository included
  depends_on = [google_project_service.required, module.registry, google_project_iam_member.builder_logs, google_project_iam_member.builder_sources]
}

module "publisher" {
  source = "./modules/http_publisher"
  count  = length(var.publisher_invokers) > 0 ? 1 : 0

  project_id        = var.project_id
  region            = var.region
  prefix            = var.prefix
  topic             = module.trigger.topic
  source_dir        = local.function_sources.http_publisher
  source_bucket     = google_storage_bucket.sources.name
  builder           = google_service_account.builder.name
  docker_repository = module.registry.id
  job_names         = module.catalog.job_names
  invokers          = var.publisher_invokers
  labels            = var.labels

  # a build needs the builder's roles, those on the repository included
  depends_on = [google_project_service.required, module.registry, google_project_iam_member.builder_logs, google_project_iam_member.builder_sources]
}

module "alerts" {
  source = "./modules/alerts"

  project_id               = var.project_id
  prefix                   = var.prefix
  job_names                = [for job in module.jobs : job.name]
  subscription             = module.trigger.subscription
  dead_letter_subscription = module.trigger.dead_letter_subscription
  emails                   = var.alert_emails
  channels                 = var.alert_channels
  labels                   = var.labels
}

locals {
  webhook_secret = "GITLAB_WEBHOOK_SECRET"

  # A job is made once there is an image for it.
  deployable = { for name, job in module.catalog.jobs : name => job if contains(keys(var.images), job.image) }

  function_sources = {
    for name in ["workflow_trigger", "gitlab_webhook", "http_publisher"] :
    name => coalesce(try(var.function_sources[name], null), "${path.root}/../build/functions/${name}")
  }
}
