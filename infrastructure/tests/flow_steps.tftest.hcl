# A DAG's steps that are flows run as executions of the flows' own jobs.
mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "archive" {}

# The mock gives all accounts one name; this one is told apart.
override_resource {
  target = module.jobs["run_dag"].google_service_account.job
  values = { member = "serviceAccount:run-dag@my-project.iam.gserviceaccount.com" }
}

variables {
  project_id = "my-project"
  region     = "europe-west4"
  prefix     = "wf-test"

  images = {
    workflows = "europe-west1-docker.pkg.dev/my-project/workflows/workflows@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    agent     = "europe-west1-docker.pkg.dev/my-project/workflows/agent@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }

  # so that other jobs' accounts have a role to be told apart by
  secret_versions = { GIT_TOKEN = "1" }
  job_environment = { GIT_TOKEN_HOSTS = "gitlab.example.com" }
}

run "run_dag_is_told_which_job_each_flow_is" {
  assert {
    condition = {
      for name in ["WORKFLOWS_FLOW_STEPS", "WORKFLOWS_PROJECT", "WORKFLOWS_REGION"] : name => output.jobs["run_dag"].environment[name]
      } == {
      WORKFLOWS_FLOW_STEPS = "cloud"
      WORKFLOWS_PROJECT    = "my-project"
      WORKFLOWS_REGION     = "europe-west4"
    }
    error_message = "run_dag must be told to run its flow steps in Cloud Run, and where that is."
  }

  assert {
    condition = jsondecode(output.jobs["run_dag"].environment["WORKFLOW_JOBS"]) == {
      gitlab_pull_request = "wf-test-gitlab-pull-request"
      hello_world         = "wf-test-hello-world"
      push_feature        = "wf-test-push-feature"
      resolve_issue       = "wf-test-resolve-issue"
    }
    error_message = "run_dag must know the job of every other flow, and not its own."
  }

  assert {
    condition     = alltrue([for name, job in output.jobs : length(setintersection(keys(job.environment), module.catalog.flow_step_variables)) == 0 if name != "run_dag"])
    error_message = "No other job starts jobs."
  }

  assert {
    condition     = alltrue([for name, job in output.jobs : job.environment["WORKFLOW_NAME"] == name])
    error_message = "Every job is told which workflow it is."
  }
}

run "run_dag_may_start_and_see_exactly_the_other_jobs" {
  assert {
    condition = toset([
      for grant in output.iam_grants : "${grant.role} on ${grant.resource}" if grant.member == "serviceAccount:run-dag@my-project.iam.gserviceaccount.com"
      ]) == toset(flatten([
        for job in ["wf-test-gitlab-pull-request", "wf-test-hello-world", "wf-test-push-feature", "wf-test-resolve-issue"] : [
          "roles/run.jobsExecutorWithOverrides on job ${job}", "roles/run.viewer on job ${job}",
        ]
    ]))
    error_message = "run_dag's account has these two roles, on the jobs of the other flows, and no role on anything else."
  }

  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_job_iam_member.flow_steps : grant.member == "serviceAccount:run-dag@my-project.iam.gserviceaccount.com"])
    error_message = "The account of another job may start jobs."
  }
}

run "run_dag_reads_its_files_and_keeps_its_journals_in_the_buckets_named" {
  variables {
    dag_bucket     = "my-project-dags"
    journal_bucket = "my-project-journals"
  }

  assert {
    condition = toset([
      for grant in output.iam_grants : "${grant.role} on ${grant.resource}" if startswith(grant.resource, "bucket ") && grant.member == "serviceAccount:run-dag@my-project.iam.gserviceaccount.com"
    ]) == toset(["roles/storage.objectViewer on bucket my-project-dags", "roles/storage.objectUser on bucket my-project-journals"])
    error_message = "run_dag reads one bucket and writes the other."
  }

  assert {
    condition     = length([for grant in output.iam_grants : grant if startswith(grant.resource, "bucket ")]) == 2
    error_message = "Nobody else has a role on them."
  }

  assert {
    condition     = [for name, job in output.jobs : "${name} ${job.environment["WORKFLOW_PARAMETERS"]}" if contains(keys(job.environment), "WORKFLOW_PARAMETERS")] == ["run_dag {\"journal\":\"gs://my-project-journals/journals\"}"]
    error_message = "run_dag, and no other job, is told where journals are."
  }
}

run "flows_that_are_steps_are_still_not_tried_again_by_cloud_run" {
  assert {
    condition     = alltrue([for name, job in output.jobs : job.max_retries == 0])
    error_message = "A step's retries are the DAG's to count: Cloud Run tries no flow again."
  }
}

run "only_jobs_that_exist_are_named_and_given" {
  variables {
    images = { workflows = "europe-west1-docker.pkg.dev/my-project/workflows/workflows@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  }

  assert {
    condition     = keys(jsondecode(output.jobs["run_dag"].environment["WORKFLOW_JOBS"])) == ["gitlab_pull_request", "hello_world"]
    error_message = "A flow without an image has no job to name."
  }

  assert {
    condition     = length(google_cloud_run_v2_job_iam_member.flow_steps) == 4
    error_message = "Roles are given on jobs there are."
  }
}

run "without_other_jobs_nothing_is_set" {
  variables {
    images = {}
  }

  assert {
    condition     = length(output.jobs) == 0 && length(google_cloud_run_v2_job_iam_member.flow_steps) == 0
    error_message = "The first apply has no jobs."
  }
}

run "where_flow_steps_run_is_not_for_every_job_to_be_told" {
  command = plan

  variables {
    job_environment = { WORKFLOWS_FLOW_STEPS = "cloud", GIT_TOKEN_HOSTS = "gitlab.example.com" }
  }

  expect_failures = [var.job_environment]
}
