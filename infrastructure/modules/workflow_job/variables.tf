variable "project_id" {
  description = "Project that holds the job."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the job."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1."
  }
}

variable "labels" {
  description = "Labels of the job."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be lower-case letters, digits, hyphens and underscores; a key begins with a letter."
  }
}

variable "name" {
  description = "Name of the job, and of its service account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "name must be 6 to 30 lower-case letters, digits and hyphens: a service account has the same name."
  }
}

variable "workflow" {
  description = "The workflow the job runs, as in `python -m workflows NAME`; given to it as WORKFLOW_NAME."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.workflow))
    error_message = "workflow must be a Python module's name, such as hello_world."
  }
}

variable "image" {
  description = "Image the job begins with, by digest. Later images are set by `make deploy-jobs`, which Terraform leaves alone."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be named by digest: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME@sha256:…"
  }
}

variable "timeout_seconds" {
  description = "Longest time an execution may take, in seconds."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 60 && var.timeout_seconds <= 604800
    error_message = "timeout_seconds must lie between 60 and 604800 (one week)."
  }
}

variable "memory" {
  description = "Memory limit, such as 512Mi. The file system of a job is memory too: a clone counts."
  type        = string
  default     = "1Gi"
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]*(Mi|Gi)$", var.memory))
    error_message = "memory must be a number followed by Mi or Gi, such as 512Mi or 4Gi."
  }
}

variable "cpu" {
  description = "Number of processors."
  type        = string
  default     = "1"
  nullable    = false

  validation {
    condition     = contains(["1", "2", "4", "6", "8"], var.cpu)
    error_message = "cpu must be 1, 2, 4, 6 or 8."
  }
}

variable "max_retries" {
  description = "How often a failed task is tried again by Cloud Run. A workflow that pushes has 0."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.max_retries >= 0 && var.max_retries <= 10
    error_message = "max_retries must lie between 0 and 10."
  }
}

variable "environment" {
  description = "Environment variables that are no secret; docs/operations.md lists those there are."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !startswith(name, "CLOUD_RUN_") && name != "WORKFLOW_NAME"])
    error_message = "environment takes UPPER_CASE names, and neither CLOUD_RUN_ variables nor WORKFLOW_NAME."
  }
}

variable "secrets" {
  description = "Secrets as environment variables: variable => {secret_id, version}. The version is a number, because Cloud Run reads it when an execution starts."
  type        = map(object({ secret_id = string, version = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^[1-9][0-9]*$", secret.version))])
    error_message = "secrets are named by the number of a version, not by latest: a version that turns out wrong must not stop every job at once."
  }
}

variable "executors" {
  description = "Who may start the job with arguments, by a name of your choice: IAM members such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.executors) : can(regex("^(user|group|serviceAccount):.+", member))])
    error_message = "executors must be named: user:…, group:… or serviceAccount:…; nobody public."
  }
}

variable "viewers" {
  description = "Who may see the job and its executions, by a name of your choice: IAM members. The trigger function with it skips a message whose execution it sees running."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.viewers) : can(regex("^(user|group|serviceAccount):.+", member))])
    error_message = "viewers must be named: user:…, group:… or serviceAccount:…; nobody public."
  }
}

variable "deletion_protection" {
  description = "Whether `terraform destroy` is refused; set it to false in an apply of its own first."
  type        = bool
  default     = true
  nullable    = false
}
