"""A stand-in for Cloud Run jobs (API v2) on 127.0.0.1, whose executions are real processes."""

from workflows.local.cloud_run.executions import CloudRunExecution
from workflows.local.cloud_run.model import CloudRunJob
from workflows.local.cloud_run.server import CloudRunServer

__all__ = ["CloudRunExecution", "CloudRunJob", "CloudRunServer"]
