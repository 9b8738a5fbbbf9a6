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

variable "topic" {
  description = "Name of the topic messages are published to."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$", var.topic))
    error_message = "topic must be the name of a topic, without projects/…/topics/."
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

variable "max_instances" {
  description = "Most instances at a time. Each counts the starts of an issue and of a person for itself, so with one the limits are exact."
  type        = number
  default     = 1
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

variable "secret" {
  description = "The secret GitLab signs its deliveries with: {secret_id, version}; the version is a number."
  type        = object({ secret_id = string, version = string })
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.secret.version))
    error_message = "The secret is named by the number of a version, not by latest."
  }
}

variable "bot" {
  description = "The GitLab user whose token the flows use: {id, username}. What it does itself starts nothing."
  type        = object({ id = number, username = string })
  nullable    = false

  validation {
    condition     = var.bot.id > 0 && can(regex("^[A-Za-z0-9._-]+$", var.bot.username))
    error_message = "bot must be a GitLab user: its numeric id and its name without the @."
  }
}

variable "allow_public" {
  description = "Whether anyone may reach the function, which GitLab needs, as it has no Google identity: the function checks the signature itself. With false put something in front that has an invoker's identity."
  type        = bool
  default     = false
  nullable    = false
}

variable "invokers" {
  description = "Who may call the function, by a name of your choice: IAM members, such as the account of a gateway."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.invokers) : can(regex("^(user|group|serviceAccount):.+", member))])
    error_message = "invokers must be named: user:…, group:… or serviceAccount:…; see allow_public for anyone."
  }
}
