"""The Prefect server as seen without Prefect: whether it answers, and how it should be run."""

from __future__ import annotations

from workflows.core.errors import TransientError, WorkflowsError
from workflows.core.observability import logger

_log = logger("prefect")
_PROBE_S = 3.0

# What a server that records many short steps should run with: without it 35 ms CPU a step, and
# an ephemeral server loses most of them (it ends before its queue is drained).
BATCH_SETTINGS = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def is_reachable(api_url: str) -> bool:
    """Ask for `/health`, for 3 s at most; a warning in the log where nobody answers.

    Any answer but 5xx counts: what an API says to a probe without a key does not matter.
    """
    from workflows.core import http  # noqa: PLC0415 - httpx costs 0.15 s

    try:
        http.request("GET", f"{api_url.rstrip('/')}/health", timeout_s=_PROBE_S)
    except TransientError as error:
        _log.warning("running without Prefect: %s", error.what)
        return False
    except WorkflowsError:
        return True
    return True
