locals {
  job_filter = join(" OR ", [for name in sort(var.job_names) : "resource.labels.job_name=\"${name}\""])

  subscription = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id"

  policies = {
    failed_executions = {
      title     = "an execution failed"
      filter    = "resource.type=\"cloud_run_job\" AND metric.type=\"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result=\"failed\" AND (${local.job_filter})"
      aligner   = "ALIGN_DELTA"
      threshold = 0
      group_by  = ["resource.label.job_name"]
      text      = "An execution of a Workflows job ended with an exit code other than 0. Open the job's newest execution; its last log line says what, why and what to do. See docs/operations.md, `When an alert fires`."
    }
    dead_letters = {
      title     = "a message became a dead letter"
      filter    = "${local.subscription}=\"${var.dead_letter_subscription}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      aligner   = "ALIGN_MAX"
      threshold = 0
      group_by  = []
      text      = "A message could not be carried out, or the trigger gave up on it. `gcloud pubsub subscriptions pull ${var.dead_letter_subscription} --limit=10` shows it; the trigger function's log has one ERROR line with its id. See docs/operations.md, `When an alert fires`."
    }
    old_messages = {
      title     = "messages wait"
      filter    = "${local.subscription}=\"${var.subscription}\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      aligner   = "ALIGN_MAX"
      threshold = var.oldest_message_seconds
      group_by  = []
      text      = "The oldest message has waited for more than ${var.oldest_message_seconds} s. Look at the trigger function's log: the Cloud Run API refuses, or the function fails. See docs/operations.md, `When an alert fires`."
    }
  }

  channels = concat(var.channels, [for channel in google_monitoring_notification_channel.email : channel.name])
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  project      = var.project_id
  type         = "email"
  display_name = "Workflows alerts to ${each.value}"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "policies" {
  for_each = { for name, policy in local.policies : name => policy if name != "failed_executions" || length(var.job_names) > 0 }

  project               = var.project_id
  display_name          = "${var.prefix}: ${each.value.title}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = length(each.value.group_by) > 0 ? "REDUCE_SUM" : "REDUCE_MAX"
        group_by_fields      = each.value.group_by
      }
    }
  }

  documentation {
    content   = each.value.text
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}
