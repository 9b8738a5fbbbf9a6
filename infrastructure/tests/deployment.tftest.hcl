# What the whole deployment promises; nothing is made, the provider is a mock.
mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "archive" {}

variables {
  project_id      = "my-project"
  job_environment = { GIT_TOKEN_HOSTS = "gitlab.example.com" }

  images = {
    workflows = "europe-west1-docker.pkg.dev/my-project/workflows/workflows@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    agent     = "europe-west1-docker.pkg.dev/my-project/workflows/agent@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }

  secret_versions = {
    GIT_TOKEN             = "1"
    GITLAB_TOKEN          = "3"
    GITLAB_WEBHOOK_SECRET = "2"
  }

  gitlab_bot = { id = 42, username = "workflows-bot" }
}

run "every_workflow_has_a_job_with_an_account_of_its_own" {
  assert {
    condition     = keys(output.jobs) == ["gitlab_pull_request", "hello_world", "push_feature", "resolve_issue", "run_dag"]
    error_message = "There must be a job for each of the five workflows."
  }

  assert {
    condition     = length(distinct([for job in output.jobs : job.account_id])) == length(output.jobs)
    error_message = "Two jobs share an account."
  }

  assert {
    condition     = alltrue([for job in output.jobs : job.account_id == job.name])
    error_message = "A job runs as an account that is not named like it."
  }
}

run "no_workflow_that_pushes_is_tried_again_by_cloud_run" {
  assert {
    condition = alltrue([
      for name in ["hello_world", "push_feature", "gitlab_pull_request", "resolve_issue"] : output.jobs[name].max_retries == 0
    ])
    error_message = "A job whose workflow pushes must have 0 retries."
  }

  assert {
    condition     = alltrue([for job in output.jobs : job.timeout != null && job.timeout != "600s"])
    error_message = "Every job names its time limit; the default of 600 s is too short for most."
  }
}

run "roles_are_those_of_the_list_and_no_broader" {
  variables {
    publisher_invokers      = { ci = "serviceAccount:ci@my-project.iam.gserviceaccount.com" }
    trigger_sees_executions = true
    dag_bucket              = "my-project-dags"
    journal_bucket          = "my-project-journals"
  }

  assert {
    condition = length(setsubtract([for grant in output.iam_grants : grant.role], [
      "roles/artifactregistry.writer",
      "roles/logging.logWriter",
      "roles/pubsub.publisher",
      "roles/pubsub.subscriber",
      "roles/run.invoker",
      "roles/run.jobsExecutorWithOverrides",
      "roles/run.viewer",
      "roles/secretmanager.secretAccessor",
      "roles/storage.objectUser",
      "roles/storage.objectViewer",
    ])) == 0
    error_message = "A role is given that is not on the list (docs/deploy.md)."
  }

  assert {
    condition = alltrue([
      for grant in output.iam_grants : contains(["roles/logging.logWriter", "roles/storage.objectViewer"], grant.role) if startswith(grant.resource, "project ")
    ])
    error_message = "Only the builder's two roles may be given on the project; everything else on the one resource."
  }

  assert {
    condition     = !contains([for grant in output.iam_grants : grant.member], "allUsers") && !contains([for grant in output.iam_grants : grant.member], "allAuthenticatedUsers")
    error_message = "Nobody public may be given a role."
  }
}

run "by_default_the_trigger_may_start_jobs_and_not_look_at_them" {
  assert {
    condition     = alltrue([for job in module.jobs : !contains([for grant in job.grants : grant.role], "roles/run.viewer")])
    error_message = "roles/run.viewer is for trigger_sees_executions and for run_dag's steps only."
  }

  assert {
    condition     = alltrue([for job in module.jobs : [for grant in job.grants : grant.role if startswith(grant.role, "roles/run.")] == ["roles/run.jobsExecutorWithOverrides"]])
    error_message = "The trigger must be able to start each of the five jobs."
  }
}

run "a_public_webhook_is_asked_for_by_name_and_is_the_only_public_thing" {
  variables {
    webhook_allow_public = true
  }

  assert {
    condition     = [for grant in output.iam_grants : "${grant.role} on ${grant.resource}" if grant.member == "allUsers"] == ["roles/run.invoker on function workflows-webhook"]
    error_message = "webhook_allow_public opens the webhook function and nothing else."
  }
}

run "a_message_that_fails_ends_in_the_dead_letters" {
  assert {
    condition     = output.max_delivery_attempts >= 5 && output.max_delivery_attempts <= 100
    error_message = "The push subscription must have a dead-letter policy."
  }

  assert {
    condition     = output.dead_letter_subscription == "workflows-dead-letters"
    error_message = "Dead letters need a subscription, or they are lost."
  }

  assert {
    condition     = keys(output.alerts) == ["dead_letters", "failed_executions", "old_messages"]
    error_message = "All three alerts must be there."
  }
}

run "a_job_reads_only_its_own_secrets_and_only_those_with_a_version" {
  assert {
    condition = toset([for grant in output.iam_grants : grant.resource if grant.role == "roles/secretmanager.secretAccessor"]) == toset([
      "secret workflows-git-token", "secret workflows-gitlab-token", "secret workflows-gitlab-webhook-secret",
    ])
    error_message = "A secret without a version in secret_versions is given to nobody."
  }

  assert {
    condition     = contains(output.missing_secrets, "OPENAI_API_KEY") && !contains(output.missing_secrets, "GIT_TOKEN")
    error_message = "missing_secrets names what has no version."
  }
}

run "without_images_and_secrets_there_are_neither_jobs_nor_a_webhook" {
  variables {
    images          = {}
    secret_versions = {}
    gitlab_bot      = null
  }

  assert {
    condition     = length(output.jobs) == 0 && keys(output.functions) == ["workflows-trigger"]
    error_message = "The first apply makes what images and secrets are put into."
  }
}

run "secrets_are_named_by_number" {
  command = plan

  variables {
    secret_versions = { GITLAB_WEBHOOK_SECRET = "latest" }
  }

  expect_failures = [var.secret_versions]
}

run "a_secret_itself_is_refused" {
  command = plan

  variables {
    secret_versions = { GITLAB_WEBHOOK_SECRET = "glpat-abcdefghij" }
  }

  expect_failures = [var.secret_versions]
}

run "a_secret_among_plain_variables_is_refused" {
  command = plan

  variables {
    job_environment = { GIT_TOKEN = "glpat-abcdefghij", GIT_TOKEN_HOSTS = "gitlab.example.com" }
  }

  expect_failures = [var.job_environment]
}

run "a_webhook_without_its_secret_is_refused" {
  command = plan

  variables {
    secret_versions = { GIT_TOKEN = "1" }
  }

  expect_failures = [var.gitlab_bot]
}

run "an_image_by_tag_is_refused" {
  command = plan

  variables {
    images = { workflows = "europe-west1-docker.pkg.dev/my-project/workflows/workflows:latest" }
  }

  expect_failures = [var.images]
}

run "a_public_publisher_is_refused" {
  command = plan

  variables {
    publisher_invokers = { everyone = "allUsers" }
  }

  expect_failures = [var.publisher_invokers]
}

run "a_git_token_without_its_hosts_is_refused" {
  command = plan

  variables {
    job_environment = {}
  }

  expect_failures = [var.secret_versions]
}

run "a_secret_among_the_webhooks_plain_variables_is_refused" {
  command = plan

  variables {
    webhook_environment = { GITLAB_WEBHOOK_SECRET = "glpat-abcdefghij" }
  }

  expect_failures = [var.webhook_environment]
}
