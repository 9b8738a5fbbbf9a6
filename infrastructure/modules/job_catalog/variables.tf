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

variable "overrides" {
  description = "What differs from the catalogue, by workflow: memory, cpu, timeout_seconds, max_retries, and more environment variables."
  type = map(object({
    memory          = optional(string)
    cpu             = optional(string)
    timeout_seconds = optional(number)
    max_retries     = optional(number)
    environment     = optional(map(string), {})
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.overrides) : contains(keys(local.workflows), name)])
    error_message = "overrides names a workflow that is not in the catalogue (modules/job_catalog/workflows.tf)."
  }

  validation {
    condition = alltrue([
      for o in values(var.overrides) : o.timeout_seconds == null ? true : o.timeout_seconds >= 60 && o.timeout_seconds <= 604800
    ])
    error_message = "timeout_seconds must lie between 60 and 604800 (one week)."
  }

  validation {
    condition     = alltrue([for o in values(var.overrides) : o.memory == null ? true : can(regex("^[1-9][0-9]*(Mi|Gi)$", o.memory))])
    error_message = "memory must be a number followed by Mi or Gi, such as 512Mi or 4Gi."
  }

  validation {
    condition     = alltrue([for o in values(var.overrides) : o.cpu == null ? true : contains(["1", "2", "4", "6", "8"], o.cpu)])
    error_message = "cpu must be 1, 2, 4, 6 or 8."
  }

  validation {
    condition = alltrue([
      for name, o in var.overrides : o.max_retries == null ? true : (
        o.max_retries == 0 || !try(local.workflows[name].pushes, true) && o.max_retries > 0 && o.max_retries <= 10
      )
    ])
    error_message = "max_retries must lie between 0 and 10, and stay 0 for a workflow that pushes."
  }

  validation {
    condition = alltrue(flatten([
      for o in values(var.overrides) : [
        for variable in keys(o.environment) : !contains(local.secret_variables, variable) && !startswith(variable, "CLOUD_RUN_") && variable != "WORKFLOW_NAME"
      ]
    ]))
    error_message = "environment must not hold a secret, a CLOUD_RUN_ variable or WORKFLOW_NAME; secrets are given by version in secret_versions."
  }

  validation {
    condition = alltrue(flatten([
      for o in values(var.overrides) : [for variable in keys(o.environment) : !contains(local.flow_step_variables, variable)]
    ]))
    error_message = "environment must not say where steps that are flows run: WORKFLOWS_FLOW_STEPS, WORKFLOW_JOBS, WORKFLOWS_PROJECT and WORKFLOWS_REGION follow from the catalogue."
  }
}
