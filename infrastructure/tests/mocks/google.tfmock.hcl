# What the configuration looks at of values that Google would give.
mock_resource "google_service_account" {
  defaults = {
    email  = "account@my-project.iam.gserviceaccount.com"
    member = "serviceAccount:account@my-project.iam.gserviceaccount.com"
    name   = "projects/my-project/serviceAccounts/account@my-project.iam.gserviceaccount.com"
  }
}

mock_resource "google_artifact_registry_repository" {
  defaults = { id = "projects/my-project/locations/europe-west1/repositories/workflows" }
}

mock_resource "google_pubsub_topic" {
  defaults = { id = "projects/my-project/topics/a-topic" }
}

mock_resource "google_monitoring_notification_channel" {
  defaults = { name = "projects/my-project/notificationChannels/1" }
}

mock_data "google_project" {
  defaults = { number = "123456789012" }
}
