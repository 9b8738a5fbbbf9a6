variable "project_id" {
  description = "Project that holds the topics and the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the topics and the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1."
  }
}

variable "labels" {
  description = "Labels of the topics and the function."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be lower-case letters, digits, hyphens and underscores; a key begins with a letter."
  }
}

variable "prefix" {
  description = "What names begin with; 3 to 10 characters, because an account's name has at most 30."
  type        = string
  default     = "workflows"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,8}[a-z0-9]$", var.prefix))
    error_message = "prefix must be 3 to 10 lower-case letters, digits or hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "source_dir" {
  description = "Staged folder with main.py, requirements.txt and what they need; it is zipped as it is."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.source_dir) > 0
    error_message = "source_dir must name a folder."
  }
}

variable "source_bucket" {
  description = "Bucket that takes the zipped source."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.source_bucket))
    error_message = "source_bucket must be the name of a bucket, without gs://."
  }
}

variable "builder" {
  description = "Service account that builds the function: its full name, projects/P/serviceAccounts/EMAIL."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/serviceAccounts/[^/]+$", var.builder))
    error_message = "builder must be projects/P/serviceAccounts/EMAIL; the default account of Compute Engine may do too much."
  }
}

variable "docker_repository" {
  description = "Repository that takes the built function: projects/P/locations/R/repositories/NAME."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/repositories/[^/]+$", var.docker_repository))
    error_message = "docker_repository must be projects/P/locations/R/repositories/NAME."
  }
}

variable "timeout_seconds" {
  description = "Longest time one call may take, in seconds."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 540
    error_message = "timeout_seconds must lie between 1 and 540."
  }
}

variable "max_instances" {
  description = "Most instances at a time: what a flood of calls can cost."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100
    error_message = "max_instances must lie between 1 and 100."
  }
}

variable "environment" {
  description = "Environment variables that are no secret."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "environment takes UPPER_CASE names."
  }
}

variable "project_number" {
  description = "Number of the project, which names the account Pub/Sub acts as."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.project_number) > 0
    error_message = "project_number must not be empty."
  }
}

variable "job_names" {
  description = "Name of the Cloud Run job of each workflow."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.job_names) > 0
    error_message = "job_names must have an entry."
  }
}

variable "ack_deadline_seconds" {
  description = "How long Pub/Sub waits for the function's answer. Longer than the function may take, so that a call that still runs is not made a second time."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds > var.timeout_seconds && var.ack_deadline_seconds <= 600
    error_message = "ack_deadline_seconds must be more than timeout_seconds and at most 600."
  }
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

variable "retention_seconds" {
  description = "How long a message that is not acknowledged is kept, in seconds."
  type        = number
  default     = 604800
  nullable    = false

  validation {
    condition     = var.retention_seconds >= 600 && var.retention_seconds <= 2678400
    error_message = "retention_seconds must lie between 600 and 2678400 (31 days)."
  }
}
