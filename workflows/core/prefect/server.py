"""Whether a Prefect server can be reached, and the settings to run one with. No Prefect import."""

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
    """Whether `GET /health` is answered within 3 s; if not, a warning is logged.

    Any answer but 5xx counts, also a refusal: the request has no key.
    """
    from workflows.core import http

    try:
        http.request("GET", f"{api_url.rstrip('/')}/health", timeout_s=_PROBE_S)
    except TransientError as error:
        _log.warning("running without Prefect: %s", error.what)
        return False
    except WorkflowsError:
        return True
    return True
