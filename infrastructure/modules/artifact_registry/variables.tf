variable "project_id" {
  description = "Project that holds the repository."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the repository; images are pulled fastest in the region of the jobs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1."
  }
}

variable "repository_id" {
  description = "Name of the repository."
  type        = string
  default     = "workflows"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.repository_id))
    error_message = "repository_id must be lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "writers" {
  description = "Who may push images, by a name of your choice: IAM members such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.writers) : can(regex("^(user|group|serviceAccount):.+", member))])
    error_message = "writers must be named: user:…, group:… or serviceAccount:…; nobody public."
  }
}

variable "keep_versions" {
  description = "How many of the newest versions of each image are kept whatever their age."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.keep_versions >= 1 && var.keep_versions <= 1000
    error_message = "keep_versions must lie between 1 and 1000."
  }
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be lower-case letters, digits, hyphens and underscores; a key begins with a letter."
  }
}
