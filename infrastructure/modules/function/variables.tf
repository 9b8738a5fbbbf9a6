variable "project_id" {
  description = "Project that holds the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1."
  }
}

variable "labels" {
  description = "Labels of the function."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be lower-case letters, digits, hyphens and underscores; a key begins with a letter."
  }
}

variable "name" {
  description = "Name of the function, and of the service account it runs as."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "name must be 6 to 30 lower-case letters, digits and hyphens: a service account has the same name."
  }
}

variable "description" {
  description = "What the function is for, in one line."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 100
    error_message = "description must have 1 to 100 characters."
  }
}

variable "entry_point" {
  description = "Name of the Python function in main.py."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]*$", var.entry_point))
    error_message = "entry_point must be the name of a Python function."
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

variable "secrets" {
  description = "Secrets as environment variables: variable => {secret_id, version}; the version is a number."
  type        = map(object({ secret_id = string, version = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^[1-9][0-9]*$", secret.version))])
    error_message = "secrets are named by the number of a version, not by latest."
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
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100
    error_message = "max_instances must lie between 1 and 100."
  }
}

variable "concurrency" {
  description = "Most calls one instance works on at a time. What an instance remembers (limits, runs that were started) holds for its own calls only, so rather few instances with many calls than the other way."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1000
    error_message = "concurrency must lie between 1 and 1000."
  }
}

variable "ingress" {
  description = "Where calls may come from: ALLOW_INTERNAL_ONLY (Pub/Sub of this project is internal), ALLOW_INTERNAL_AND_GCLB or ALLOW_ALL. Every call needs an invoker's identity besides."
  type        = string
  default     = "ALLOW_INTERNAL_ONLY"
  nullable    = false

  validation {
    condition     = contains(["ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB", "ALLOW_ALL"], var.ingress)
    error_message = "ingress must be ALLOW_INTERNAL_ONLY, ALLOW_INTERNAL_AND_GCLB or ALLOW_ALL."
  }
}

variable "invokers" {
  description = "Who may call the function, by a name of your choice: IAM members. allUsers is taken only under the name `public`, so that nobody writes it by accident."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for name, member in var.invokers : can(regex("^(user|group|serviceAccount):.+", member)) || name == "public" && member == "allUsers"
    ])
    error_message = "invokers must be named: user:…, group:… or serviceAccount:…; allUsers only under the name `public`."
  }
}
