# Names and mappings, worked out without a provider, so that they can be tested anywhere.
locals {
  secret_variables = distinct(concat(local.git, local.gitlab, local.models, local.task_runner, local.every_job, local.functions))

  secret_ids = { for variable in local.secret_variables : variable => "${var.prefix}-${lower(replace(variable, "_", "-"))}" }

  # Set for a workflow whose steps are flows; none of them may be set to something else.
  flow_step_variables = ["WORKFLOWS_FLOW_STEPS", "WORKFLOW_JOBS", "WORKFLOWS_PROJECT", "WORKFLOWS_REGION"]

  jobs = {
    for name, workflow in local.workflows : name => {
      job_name        = "${var.prefix}-${replace(name, "_", "-")}"
      image           = workflow.image
      pushes          = workflow.pushes
      starts          = workflow.starts_flows ? [for other in keys(local.workflows) : other if !local.workflows[other].starts_flows] : []
      timeout_seconds = coalesce(try(var.overrides[name].timeout_seconds, null), workflow.timeout_seconds)
      memory          = coalesce(try(var.overrides[name].memory, null), workflow.memory)
      cpu             = coalesce(try(var.overrides[name].cpu, null), workflow.cpu)
      # Zero for all: a retry has lost its container, and a DAG's journal with it unless that is kept
      # in a bucket. Pub/Sub delivers again what never started; the rest is for a person to judge.
      max_retries = coalesce(try(var.overrides[name].max_retries, null), 0)
      secrets     = concat(workflow.secrets, local.every_job)
      environment = merge(workflow.environment, try(var.overrides[name].environment, {}))
    }
  }
}
