"""The function that starts one Cloud Run job for each message of Pub/Sub. Adapter only.

| variable | meaning |
| --- | --- |
| `WORKFLOW_JOBS` | `{"workflow": "job", …}`; a job is a short name or `projects/…/jobs/…` |
| `WORKFLOWS_PROJECT`, `WORKFLOWS_REGION` | where jobs with a short name are |
| `WORKFLOWS_DEAD_LETTER_TOPIC` | `projects/P/topics/T` for messages that can never start a job |

It answers 2xx when a message was started or put aside; after anything else Pub/Sub delivers it
again. It may take 50 s, so the subscription's acknowledgement deadline is 60 s or more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import functions_framework

import workflows.trigger
from workflows.core.google import executions
from workflows.functions import cloud
from workflows.trigger import dispatch, envelope, message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Request

_LIST_TIMEOUT_S = 10
_RUN_TIMEOUT_S = 30
_PUBLISH_TIMEOUT_S = 10
_MOST_REMEMBERED = 10_000
_MAX_ATTRIBUTE = 1_000
_FIXES = {
    403: "grant the function's account roles/run.jobsExecutorWithOverrides on the job",
    404: "deploy the job, or correct WORKFLOW_JOBS",
}
Answer = tuple[str, int]


class _Once:
    """Which runs this instance is starting, and has started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting: set[str] = set()
        self._started: OrderedDict[str, None] = OrderedDict()

    @contextmanager
    def starting(self, run: str) -> Iterator[str]:
        """`mine` to start the run here; `started` or `busy` if another delivery came first."""
        with self._lock:
            state = "started" if run in self._started else "mine"
            state = "busy" if run in self._starting else state
            if state == "mine":
                self._starting.add(run)
        try:
            yield state
        finally:
            if state == "mine":
                with self._lock:
                    self._starting.discard(run)

    def keep(self, run: str) -> None:
        """Remember that this run was started."""
        with self._lock:
            self._started[run] = None
            while len(self._started) > _MOST_REMEMBERED:
                self._started.popitem(last=False)


@dataclass(frozen=True)
class _Deployment:
    """What the environment says, read once when the instance starts."""

    catalog: dispatch.Catalog
    project: str
    region: str
    dead_letters: str
    run: cloud.GoogleApi
    pubsub: cloud.GoogleApi
    once: _Once

    def job(self, name: str) -> str:
        """The whole name of a job."""
        if name.startswith("projects/"):
            return name
        return f"projects/{self.project}/locations/{self.region}/jobs/{name}"


def _deployment() -> _Deployment:
    known = Path(workflows.trigger.__file__).with_name("catalog.json").read_text(encoding="utf-8")
    return _Deployment(
        catalog=dispatch.Catalog.of(cloud.text_setting("WORKFLOW_JOBS"), known),
        project=cloud.text_setting("WORKFLOWS_PROJECT"),
        region=cloud.text_setting("WORKFLOWS_REGION"),
        dead_letters=cloud.text_setting("WORKFLOWS_DEAD_LETTER_TOPIC"),
        run=cloud.cloud_run_api(),
        pubsub=cloud.pubsub_api(),
        once=_Once(),
    )


_HERE = _deployment()


@functions_framework.http
def trigger(request: Request) -> Answer:
    """Take one delivery: a push request of Pub/Sub, or the same as a CloudEvent."""
    try:
        delivery = envelope.read_delivery(request.get_data(cache=False))
    except envelope.EnvelopeRefused as error:
        cloud.log_line("ERROR", f"a request that is no delivery of Pub/Sub: {error}")
        return str(error), 400
    try:
        start = dispatch.dispatch(message.parse_message(delivery.data), _HERE.catalog)
    except message.MessageRefused as error:
        return _bury(delivery, str(error))
    run = dispatch.message_run_id(delivery.id, delivery.attributes)
    with _HERE.once.starting(run) as state:
        if state == "busy":
            cloud.log_line("INFO", "another delivery is being worked on", message_id=delivery.id)
            return "busy", 503
        if state == "started":
            cloud.log_line(
                "INFO", "this run was started before", message_id=delivery.id, run_id=run
            )
            return "started before", 200
        try:
            return _start(delivery, start, run)
        except cloud.ApiTransient as error:
            cloud.log_line(
                "WARNING",
                f"not started yet, to be delivered again: {error}",
                message_id=delivery.id,
                workflow=start.workflow,
                run_id=run,
            )
            return "try again", 503


def _start(delivery: envelope.PubSubDelivery, start: dispatch.Start, run: str) -> Answer:
    """Start the job, unless an execution can be seen that this run id started."""
    job = _HERE.job(start.job)
    facts = {"message_id": delivery.id, "workflow": start.workflow, "run_id": run}
    mark = executions.ExecutionMark(executions.RUN_ID_VARIABLE, run)
    execution = _execution(job, mark)
    if execution:
        _HERE.once.keep(run)
        cloud.log_line("INFO", "started before", **facts, **_links(execution))
        return "started before", 200
    try:
        body = executions.start_request(mark, start.args)
        operation = _HERE.run.ask("POST", f"/v2/{job}:run", body, timeout_s=_RUN_TIMEOUT_S)
    except cloud.ApiRefused as error:
        fix = _FIXES.get(error.status, "")
        return _bury(delivery, f"{error}; {fix}" if fix else str(error), start.workflow)
    _HERE.once.keep(run)
    name = executions.started_execution(operation)
    cloud.log_line("INFO", f"{start.workflow} was started", **facts, **_links(name))
    return "started", 200


def _execution(job: str, mark: executions.ExecutionMark) -> str:
    """The execution with this mark; empty if none can be seen.

    The role that may start jobs may not list executions; then only the flow's own claim keeps the
    work from being done twice.

    Raises:
        cloud.ApiTransient: Cloud Run did not answer just now.
    """
    try:
        path = f"/v2/{job}/executions?pageSize={executions.PAGE_SIZE}"
        listed = _HERE.run.ask("GET", path, timeout_s=_LIST_TIMEOUT_S)
    except cloud.ApiRefused:
        return ""
    return executions.marked_execution(listed, mark)


def _bury(delivery: envelope.PubSubDelivery, why: str, workflow: str = "") -> Answer:
    """Publish the message to the dead-letter topic and log why."""
    kept = {
        name: value
        for name, value in list(delivery.attributes.items())[:80]
        if not name.startswith("goog") and len(name.encode()) <= 256  # noqa: PLR2004 - Pub/Sub's
    }
    attributes = kept | {
        "error": why.encode()[:_MAX_ATTRIBUTE].decode("utf-8", "ignore"),
        "message_id": delivery.id,
        "subscription": delivery.subscription[:_MAX_ATTRIBUTE],
    }
    facts = {"message_id": delivery.id, "workflow": workflow or None}
    try:
        letter = cloud.publish_message(
            *(_HERE.pubsub, _HERE.dead_letters, delivery.data, attributes),
            timeout_s=_PUBLISH_TIMEOUT_S,
        )
    except (cloud.ApiTransient, cloud.ApiRefused) as error:
        severity = "ERROR" if isinstance(error, cloud.ApiRefused) else "WARNING"
        cloud.log_line(severity, f"the dead-letter topic cannot be reached: {error}", **facts)
        return "try again", 503
    cloud.log_line("ERROR", f"the message starts nothing: {why}", **facts, dead_letter_id=letter)
    return "refused", 200


def _links(execution: str) -> dict[str, str]:
    """An execution's short name, and its page in the console."""
    parts = execution.split("/")
    if len(parts) < 8:  # noqa: PLR2004 - projects/P/locations/R/jobs/J/executions/E
        return {"execution": execution}
    project, region, short = parts[1], parts[3], parts[-1]
    page = "https://console.cloud.google.com/run/jobs/executions/details"
    return {
        "execution": short,
        "link": f"{page}/{quote(region)}/{quote(short)}?project={quote(project)}",
    }
