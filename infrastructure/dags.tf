# What the job that runs DAGs has in Cloud Storage: their files, and the journals that runs go on
# from. A job's own disk is gone with its execution. The buckets are there already.
locals {
  dag_runners = [for name, job in local.deployable : name if length(job.starts) > 0]

  dag_buckets = {
    files    = { bucket = var.dag_bucket, role = "roles/storage.objectViewer" }
    journals = { bucket = var.journal_bucket, role = "roles/storage.objectUser" } # a journal is written over
  }

  dag_grants = merge([
    for name in local.dag_runners : { for what, grant in local.dag_buckets : "${name} ${what}" => merge(grant, { runner = name }) if grant.bucket != null }
  ]...)

  # A default: the parameter of a message wins, and so does WORKFLOW_PARAMETERS in job_overrides.
  journals = {
    for name in keys(local.deployable) : name => contains(local.dag_runners, name) && var.journal_bucket != null ? {
      WORKFLOW_PARAMETERS = jsonencode({ journal = "gs://${var.journal_bucket}/journals" })
    } : {}
  }
}

resource "google_storage_bucket_iam_member" "dags" {
  for_each = local.dag_grants

  bucket = each.value.bucket
  role   = each.value.role
  member = module.jobs[each.value.runner].service_account_member
}
