# The way of a message, looked at inside the module.
mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "archive" {}

variables {
  project_id        = "my-project"
  project_number    = "123456789012"
  region            = "europe-west1"
  job_names         = { hello_world = "workflows-hello-world" }
  source_dir        = "staged"
  source_bucket     = "my-project-workflows-sources"
  builder           = "projects/my-project/serviceAccounts/builder@my-project.iam.gserviceaccount.com"
  docker_repository = "projects/my-project/locations/europe-west1/repositories/workflows"
}

run "messages_are_pushed_with_an_identity_and_kept_until_they_are_done" {
  module {
    source = "./modules/workflow_trigger"
  }

  assert {
    condition     = google_pubsub_subscription.push.push_config[0].oidc_token[0].service_account_email != "" && google_pubsub_subscription.push.push_config[0].oidc_token[0].audience != ""
    error_message = "The push must carry a token for the function."
  }

  assert {
    condition     = google_pubsub_subscription.push.ack_deadline_seconds > 60
    error_message = "Pub/Sub must wait longer than the function may take."
  }

  assert {
    condition     = google_pubsub_subscription.push.retry_policy[0].minimum_backoff == "10s" && google_pubsub_subscription.push.retry_policy[0].maximum_backoff == "600s"
    error_message = "Tries lie 10 s to 600 s apart."
  }

  assert {
    condition     = google_pubsub_subscription.push.expiration_policy[0].ttl == "" && google_pubsub_subscription.dead.expiration_policy[0].ttl == ""
    error_message = "A quiet month must not delete a subscription."
  }

  assert {
    condition     = google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts == 20
    error_message = "After 20 tries a message is a dead letter."
  }

  assert {
    condition     = google_pubsub_topic_iam_member.dead_publisher["pubsub"].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com" && google_pubsub_subscription_iam_member.forwarder.role == "roles/pubsub.subscriber"
    error_message = "Without these two roles Pub/Sub cannot move a message to the dead letters."
  }
}

run "a_deadline_shorter_than_the_function_is_refused" {
  command = plan

  module {
    source = "./modules/workflow_trigger"
  }

  variables {
    ack_deadline_seconds = 30
  }

  expect_failures = [var.ack_deadline_seconds]
}
