variable "project_id" {
  description = "Project everything is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the jobs, the functions and the images."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1."
  }
}

variable "prefix" {
  description = "What the names of all jobs, accounts and secrets begin with; 3 to 10 characters, because an account's name has at most 30."
  type        = string
  default     = "workflows"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,8}[a-z0-9]$", var.prefix))
    error_message = "prefix must be 3 to 10 lower-case letters, digits or hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = { app = "workflows" }
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be lower-case letters, digits, hyphens and underscores; a key begins with a letter."
  }
}

variable "images" {
  description = "Image of each target of the Dockerfile, by digest; `make build-and-push` writes them to build/images.tfvars.json. A job is made once its image is here."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.images) : contains(["workflows", "agent"], name)])
    error_message = "images takes `workflows` and `agent`."
  }

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("@sha256:[0-9a-f]{64}$", image))])
    error_message = "images must be named by digest: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME@sha256:…"
  }
}

variable "secret_versions" {
  description = "Version of each secret that jobs and functions read, by environment variable, such as GIT_TOKEN = \"1\". A secret that is not here is not given to anything."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for version in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "secret_versions takes the number of a version, not latest and not the secret itself."
  }

  validation {
    condition     = alltrue([for variable in keys(var.secret_versions) : contains(keys(module.catalog.secret_ids), variable)])
    error_message = "secret_versions names a secret that is not in the catalogue (modules/job_catalog/workflows.tf)."
  }

  validation {
    condition     = contains(keys(var.secret_versions), "GIT_TOKEN") ? contains(keys(var.job_environment), "GIT_TOKEN_HOSTS") : true
    error_message = "With GIT_TOKEN, job_environment must name GIT_TOKEN_HOSTS: messages and DAG files choose git_url, and the token would be sent to any host they name."
  }
}

variable "job_overrides" {
  description = "What differs from the catalogue (modules/job_catalog checks it), by workflow: memory, cpu, timeout_seconds, max_retries, and more environment variables."
  type = map(object({
    memory          = optional(string)
    cpu             = optional(string)
    timeout_seconds = optional(number)
    max_retries     = optional(number)
    environment     = optional(map(string), {})
  }))
  default  = {}
  nullable = false
}

variable "job_environment" {
  description = "Environment variables of every job, none of them a secret, such as GITLAB_URL and GIT_TOKEN_HOSTS."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.job_environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !startswith(name, "CLOUD_RUN_") && name != "WORKFLOW_NAME"])
    error_message = "job_environment takes UPPER_CASE names, and neither CLOUD_RUN_ variables nor WORKFLOW_NAME."
  }

  validation {
    condition     = length(setintersection(keys(var.job_environment), keys(module.catalog.secret_ids))) == 0
    error_message = "job_environment must hold no secret: its values are in the state; see secret_versions."
  }

  validation {
    condition     = length(setintersection(keys(var.job_environment), module.catalog.flow_step_variables)) == 0
    error_message = "job_environment must not say where steps that are flows run: WORKFLOWS_FLOW_STEPS, WORKFLOW_JOBS, WORKFLOWS_PROJECT and WORKFLOWS_REGION follow from the catalogue."
  }
}

variable "dag_bucket" {
  description = "Bucket that DAG files are in, which run_dag may then read (roles/storage.objectViewer): `dag_path` gs://BUCKET/…."
  type        = string
  default     = null

  validation {
    condition     = var.dag_bucket == null ? true : can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.dag_bucket))
    error_message = "dag_bucket must be the name of a bucket, without gs://."
  }
}

variable "journal_bucket" {
  description = "Bucket that run_dag keeps its journals in, below journals/ (roles/storage.objectUser); without it a run that was cut off cannot be resumed. Give it a lifecycle rule."
  type        = string
  default     = null

  validation {
    condition     = var.journal_bucket == null ? true : can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.journal_bucket))
    error_message = "journal_bucket must be the name of a bucket, without gs://."
  }
}

variable "deletion_protection" {
  description = "Whether jobs and secrets refuse to be destroyed; set it to false in an apply of its own first."
  type        = bool
  default     = true
  nullable    = false
}

variable "trigger_sees_executions" {
  description = "Whether the trigger function may see the executions of the jobs (roles/run.viewer on each): it then skips a message whose execution runs already. Without it the flow's own claim keeps the work from being done twice."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_delivery_attempts" {
  description = "After how many tries a message goes to the dead-letter topic. 20 tries, 10 s to 600 s apart, bridge an outage of about two hours."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "max_delivery_attempts must lie between 5 and 100."
  }
}

variable "function_sources" {
  description = "Staged source folder of a function, by its name (workflow_trigger, gitlab_webhook, http_publisher); not given: build/functions/NAME."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.function_sources) : contains(["workflow_trigger", "gitlab_webhook", "http_publisher"], name)])
    error_message = "function_sources takes workflow_trigger, gitlab_webhook and http_publisher."
  }
}

variable "gitlab_bot" {
  description = "The GitLab user whose token the flows use: {id, username}. With it there is a webhook function, which also needs secret_versions to name GITLAB_WEBHOOK_SECRET."
  type        = object({ id = number, username = string })
  default     = null

  validation {
    condition     = var.gitlab_bot == null ? true : var.gitlab_bot.id > 0 && can(regex("^[A-Za-z0-9._-]+$", var.gitlab_bot.username))
    error_message = "gitlab_bot must be a GitLab user: its numeric id and its name without the @."
  }

  validation {
    condition     = var.gitlab_bot == null ? true : contains(keys(var.secret_versions), "GITLAB_WEBHOOK_SECRET")
    error_message = "With gitlab_bot, secret_versions must name GITLAB_WEBHOOK_SECRET: a function with an empty secret does not start."
  }
}

variable "webhook_environment" {
  description = "Environment variables of the webhook function that are no secret, such as WORKFLOWS_LABEL."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.webhook_environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "webhook_environment takes UPPER_CASE names."
  }

  validation {
    condition     = length(setintersection(keys(var.webhook_environment), keys(module.catalog.secret_ids))) == 0
    error_message = "webhook_environment must hold no secret: its values are in the state; see secret_versions."
  }
}

variable "webhook_invokers" {
  description = "Who may call the webhook function, by a name of your choice: IAM members, such as the account of a gateway."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.webhook_invokers) : can(regex("^(user|group|serviceAccount):.+", member))])
    error_message = "webhook_invokers must be named: user:…, group:… or serviceAccount:…; see webhook_allow_public for anyone."
  }
}

variable "webhook_allow_public" {
  description = "Whether anyone may reach the webhook function, which GitLab needs, as it has no Google identity: the function checks the signature itself. With false put something in front that has an invoker's identity."
  type        = bool
  default     = false
  nullable    = false
}

variable "publisher_invokers" {
  description = "Who may publish through the function, by a name of your choice: IAM members. With none there is no such function."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.publisher_invokers) : can(regex("^(user|group|serviceAccount):.+", member))])
    error_message = "publisher_invokers must be named: user:…, group:… or serviceAccount:…; nobody public."
  }
}

variable "alert_emails" {
  description = "Addresses that are told; each is a notification channel."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", address))])
    error_message = "alert_emails must be addresses such as oncall@example.com."
  }
}

variable "alert_channels" {
  description = "More notification channels that are there already: projects/P/notificationChannels/ID."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for channel in var.alert_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "alert_channels must be projects/P/notificationChannels/ID."
  }
}
