# What infra-check deploys into nothing: every part switched on that is not public.
project_id = "my-project"

images = {
  workflows = "europe-west1-docker.pkg.dev/my-project/workflows/workflows@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  agent     = "europe-west1-docker.pkg.dev/my-project/workflows/agent@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
}

secret_versions = {
  GIT_TOKEN             = "1"
  GITLAB_TOKEN          = "1"
  GITLAB_WEBHOOK_SECRET = "1"
  OPENAI_API_KEY        = "1"
  NOTIFY_URLS           = "1"
}

gitlab_bot              = { id = 42, username = "workflows-bot" }
job_environment         = { GITLAB_URL = "https://gitlab.example.com", GIT_TOKEN_HOSTS = "gitlab.example.com" }
dag_bucket              = "my-project-dags"
journal_bucket          = "my-project-journals"
publisher_invokers      = { ci = "serviceAccount:ci@my-project.iam.gserviceaccount.com" }
trigger_sees_executions = true
alert_emails            = ["oncall@example.com"]
