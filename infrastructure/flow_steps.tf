# A step of a DAG that is a flow runs as an execution of that flow's own job, with that job's account
# and secrets. The job that runs the DAG may start those executions, look at them and cancel them.
locals {
  # Start with arguments and cancel; list and read. There is no narrower role for either.
  flow_step_roles = {
    start = "roles/run.jobsExecutorWithOverrides"
    look  = "roles/run.viewer"
  }

  # Of the jobs there are; a DAG that names another flow is refused before anything runs.
  flow_step_jobs = {
    for name, job in local.deployable : name => { for flow in job.starts : flow => local.deployable[flow].job_name if contains(keys(local.deployable), flow) }
  }

  flow_steps = {
    for name, jobs in local.flow_step_jobs : name => length(jobs) == 0 ? {} : {
      WORKFLOWS_FLOW_STEPS = "cloud"
      WORKFLOW_JOBS        = jsonencode(jobs)
      WORKFLOWS_PROJECT    = var.project_id
      WORKFLOWS_REGION     = var.region
    }
  }

  flow_step_grants = merge([
    for name, jobs in local.flow_step_jobs : merge([
      for flow in keys(jobs) : { for may, role in local.flow_step_roles : "${name} may ${may} ${flow}" => { starter = name, flow = flow, role = role } }
    ]...)
  ]...)
}

# Not among the arguments of module.jobs: the account of one of them cannot be an argument of all.
resource "google_cloud_run_v2_job_iam_member" "flow_steps" {
  for_each = local.flow_step_grants

  project  = var.project_id
  location = var.region
  name     = module.jobs[each.value.flow].name
  role     = each.value.role
  member   = module.jobs[each.value.starter].service_account_member
}
