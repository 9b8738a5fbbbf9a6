# The catalogue needs no provider.
run "names_come_from_the_workflow" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  assert {
    condition     = output.job_names["hello_world"] == "workflows-hello-world"
    error_message = "A job is named PREFIX-WORKFLOW with hyphens."
  }

  assert {
    condition     = output.secret_ids["GIT_TOKEN"] == "workflows-git-token"
    error_message = "A secret is named PREFIX-VARIABLE with hyphens."
  }

  assert {
    condition     = alltrue([for name in values(output.job_names) : length(name) <= 30])
    error_message = "A job's name is its account's name, which has at most 30 characters."
  }

  assert {
    condition     = join(",", output.images) == "agent,workflows"
    error_message = "There are two images."
  }
}

run "only_flows_with_an_agent_hold_model_keys" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  assert {
    condition     = alltrue([for job in output.jobs : contains(job.secrets, "OPENAI_API_KEY") == (job.image == "agent")])
    error_message = "A model key belongs to the flows that run an agent, and to no other."
  }

  assert {
    condition     = !contains(output.jobs["run_dag"].secrets, "GIT_TOKEN")
    error_message = "run_dag works with no repository."
  }

  assert {
    condition     = alltrue([for job in output.jobs : job.environment["WORKFLOWS_SANDBOX"] == "bubblewrap" if job.image == "agent"])
    error_message = "An agent runs in bubblewrap or not at all."
  }
}

run "an_override_changes_what_it_names" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  variables {
    overrides = { run_dag = { max_retries = 2, memory = "2Gi" } }
  }

  assert {
    condition     = output.jobs["run_dag"].max_retries == 2 && output.jobs["run_dag"].memory == "2Gi" && output.jobs["run_dag"].cpu == "1"
    error_message = "What is overridden changes, the rest stays."
  }
}

run "retries_of_a_workflow_that_pushes_are_refused" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  variables {
    overrides = { resolve_issue = { max_retries = 1 } }
  }

  expect_failures = [var.overrides]
}

run "an_override_of_an_unknown_workflow_is_refused" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  variables {
    overrides = { hello_wrld = { memory = "1Gi" } }
  }

  expect_failures = [var.overrides]
}

run "a_secret_in_an_override_is_refused" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  variables {
    overrides = { hello_world = { environment = { GIT_TOKEN = "glpat-abcdefghij" } } }
  }

  expect_failures = [var.overrides]
}

run "a_prefix_that_makes_names_too_long_is_refused" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  variables {
    prefix = "workflows-staging"
  }

  expect_failures = [var.prefix]
}

run "a_workflow_that_starts_flows_starts_all_others_and_not_itself" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  assert {
    condition     = join(",", output.jobs["run_dag"].starts) == "gitlab_pull_request,hello_world,push_feature,resolve_issue"
    error_message = "A DAG's steps can be every flow but a DAG."
  }

  assert {
    condition     = alltrue([for name, job in output.jobs : length(job.starts) == 0 if name != "run_dag"])
    error_message = "Only run_dag starts flows."
  }
}

run "where_flow_steps_run_is_not_overridden" {
  command = plan

  module {
    source = "./modules/job_catalog"
  }

  variables {
    overrides = { run_dag = { environment = { WORKFLOW_JOBS = "{}" } } }
  }

  expect_failures = [var.overrides]
}
