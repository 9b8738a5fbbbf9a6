variable "project_id" {
  description = "Project that holds the alert policies."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "labels" {
  description = "Labels of the alert policies."
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

variable "job_names" {
  description = "Jobs whose failed executions raise an alert."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for name in var.job_names : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "job_names must be names of Cloud Run jobs."
  }
}

variable "subscription" {
  description = "Subscription whose old messages raise an alert."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.subscription) >= 3
    error_message = "subscription must be the name of a subscription."
  }
}

variable "dead_letter_subscription" {
  description = "Subscription in which any message raises an alert."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.dead_letter_subscription) >= 3
    error_message = "dead_letter_subscription must be the name of a subscription."
  }
}

variable "emails" {
  description = "Addresses that are told; each is a notification channel."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", address))])
    error_message = "emails must be addresses such as oncall@example.com."
  }
}

variable "channels" {
  description = "More notification channels that are there already: projects/P/notificationChannels/ID."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for channel in var.channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "channels must be projects/P/notificationChannels/ID."
  }
}

variable "oldest_message_seconds" {
  description = "Age in seconds from which a message that waits raises an alert. Between two tries lie up to 600 s."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition     = var.oldest_message_seconds >= 60 && var.oldest_message_seconds <= 604800
    error_message = "oldest_message_seconds must lie between 60 and 604800."
  }
}
