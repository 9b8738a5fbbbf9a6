# The one list of workflows: an entry here, and one line in workflows/cli/catalog.py, is a job.
locals {
  workflows = {
    hello_world = {
      image           = "workflows"
      pushes          = true
      starts_flows    = false
      timeout_seconds = 900
      memory          = "512Mi"
      cpu             = "1"
      secrets         = local.git
      environment     = {}
    }
    push_feature = {
      image           = "agent"
      pushes          = true
      starts_flows    = false
      timeout_seconds = 7200
      memory          = "4Gi"
      cpu             = "2"
      secrets         = concat(local.git, local.models)
      environment     = local.confined
    }
    gitlab_pull_request = {
      image           = "workflows"
      pushes          = true
      starts_flows    = false
      timeout_seconds = 900
      memory          = "512Mi"
      cpu             = "1"
      secrets         = local.gitlab
      environment     = {}
    }
    resolve_issue = {
      image           = "agent"
      pushes          = true
      starts_flows    = false
      timeout_seconds = 14400
      memory          = "4Gi"
      cpu             = "2"
      secrets         = concat(local.git, local.gitlab, local.models)
      environment     = local.confined
    }
    run_dag = {
      image           = "workflows"
      pushes          = false
      starts_flows    = true
      timeout_seconds = 86400
      memory          = "1Gi"
      cpu             = "1"
      secrets         = local.task_runner
      environment     = {}
    }
  }

  git    = ["GIT_TOKEN"]
  gitlab = ["GITLAB_TOKEN"]
  models = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "LITELLM_API_KEY",
  ]
  task_runner = ["TR_AUTH_JWT"]

  every_job = ["NOTIFY_URLS", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"]
  functions = ["GITLAB_WEBHOOK_SECRET"]

  # An agent is untrusted code: refuse to run it where bubblewrap does not work.
  confined = { WORKFLOWS_SANDBOX = "bubblewrap" }
}
