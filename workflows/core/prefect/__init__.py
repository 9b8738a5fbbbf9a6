"""The one place that knows Prefect."""
