"""The part of the v2 API that is about jobs: routes, permissions, operations, pages."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from workflows.local.cloud_run.model import JOB_ID, CloudRunJob, Json, now, spec_of
from workflows.local.cloud_run.refusals import (
    CloudRunApiError,
    invalid_argument,
    resource_not_found,
)
from workflows.local.cloud_run.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from workflows.local.cloud_run.executions import CloudRunExecution
    from workflows.local.cloud_run.state import CloudRunState

_TYPE = "type.googleapis.com/google.cloud.run.v2."
_PLACE = r"/v2/(?P<parent>projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+))"
_JOB = _PLACE + r"/jobs/(?P<job>[^/:]+)"
_EXECUTION = _JOB + r"/executions/(?P<execution>[^/:]+)"
_PAGE = 100
_UNKNOWN = 2  # google.rpc.Code
_logger = logging.getLogger(__name__)


class _Call(NamedTuple):
    """One request, parsed."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Json
    token: str | None

    @property
    def place(self) -> tuple[str, str]:
        """Project and region."""
        return self.path["project"], self.path["region"]

    @property
    def job_name(self) -> str:
        """`projects/P/locations/R/jobs/J`."""
        return f"{self.path['parent']}/jobs/{self.path['job']}"


class JobsApi:
    """Answers the API. Handlers are quick: executions run in threads of their own."""

    def __init__(self, cloud: CloudRunState) -> None:
        self._cloud = cloud
        table: tuple[tuple[str, str, str, Callable[[_Call], Json]], ...] = (
            ("POST", _PLACE + "/jobs", "run.jobs.create", self._create),
            ("GET", _PLACE + "/jobs", "run.jobs.list", self._list),
            ("GET", _JOB, "run.jobs.get", self._get),
            ("PATCH", _JOB, "run.jobs.update", self._patch),
            ("DELETE", _JOB, "run.jobs.delete", self._delete),
            ("POST", _JOB + ":run", "run.jobs.run", self._run),
            ("GET", _JOB + "/executions", "run.executions.list", self._executions),
            ("GET", _EXECUTION, "run.executions.get", self._execution),
            ("DELETE", _EXECUTION, "run.executions.delete", self._delete_execution),
            ("POST", _EXECUTION + ":cancel", "run.executions.cancel", self._cancel),
            ("GET", _EXECUTION + "/tasks", "run.tasks.list", self._tasks),
            ("GET", _PLACE + "/operations/(?P<id>[^/]+)", "run.operations.get", self._operation),
        )
        self._table = [(m, re.compile(path), may, handler) for m, path, may, handler in table]
        self._operations: dict[str, Callable[[], Json]] = {}
        self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = self._answer(request, await request.body())
        except CloudRunApiError as error:
            response = error.response()
        except Exception:
            _logger.exception("%s %s", request.method, request.url.path)
            response = CloudRunApiError(500, "Internal error encountered.").response()
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes) -> Response:
        path = request.url.path
        if path.startswith("/logs/"):
            return self._log(path.removeprefix("/logs/"))
        for method, pattern, permission, handler in self._table:
            match = pattern.fullmatch(path)
            if match is None or method != request.method:
                continue
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            given = token if scheme.lower() == "bearer" else None
            call = _Call(match.groupdict(), request.query_params, _object(body), given)
            with self._cloud.lock:
                self._admit(call, permission)
                found = handler(call)
            return Response(json.dumps(found, indent=2), media_type="application/json")
        raise CloudRunApiError(404, f"The requested URL {path} was not found on this server.")

    def _admit(self, call: _Call, permission: str) -> None:
        """Refuse a caller without the permission, before looking up the resource."""
        grants = self._cloud.grants
        if not grants:
            return
        if call.token not in grants:
            raise CloudRunApiError(401, "Request had invalid authentication credentials.")
        job = call.path.get("job", "")
        for role, only in grants[call.token]:
            if permission in ROLES[role] and only in ("", job):
                return
        resource = call.job_name if job else call.path["parent"]
        raise CloudRunApiError(
            403,
            f"Permission '{permission}' denied on resource '{resource}' (or resource may not"
            " exist).",
        )

    # --- jobs --------------------------------------------------------------------------------

    def _create(self, call: _Call) -> Json:
        job_id = call.query.get("jobId", "")
        if not JOB_ID.fullmatch(job_id):
            raise invalid_argument(
                f"job_id: '{job_id}' must be lower case letters, digits and hyphens."
            )
        name = f"{call.path['parent']}/jobs/{job_id}"
        if name in self._cloud.jobs:
            raise CloudRunApiError(409, f"Resource '{job_id}' already exists.")
        return self._put(
            call, CloudRunJob(name, _template(call.body), call.body.get("labels") or {})
        )

    def _put(self, call: _Call, job: CloudRunJob) -> Json:
        if call.query.get("validateOnly") != "true":
            self._cloud.jobs[job.name] = job
        return self._done(call, "Job", job.shown())

    def _list(self, call: _Call) -> Json:
        jobs = [
            job.shown()
            for name, job in sorted(self._cloud.jobs.items())
            if name.startswith(call.path["parent"] + "/")
        ]
        return _page(call, "jobs", jobs)

    def _job(self, call: _Call) -> CloudRunJob:
        job = self._cloud.jobs.get(call.job_name)
        if job is None:
            raise resource_not_found("JOB", call.path["job"], call.place)
        return job

    def _get(self, call: _Call) -> Json:
        return self._job(call).shown()

    def _patch(self, call: _Call) -> Json:
        template = _template(call.body)
        old = self._cloud.jobs.get(call.job_name)
        if old is None and call.query.get("allowMissing") == "true":
            return self._put(
                call, CloudRunJob(call.job_name, template, call.body.get("labels") or {})
            )
        old = self._job(call)
        if call.body.get("etag") not in (None, "", old.etag):
            raise CloudRunApiError(409, "The etag does not match: the job was changed.", "ABORTED")
        job = CloudRunJob(
            old.name, template, call.body.get("labels") or {}, old.uid, old.generation + 1
        )
        job.create_time, job.latest = old.create_time, old.latest
        job.execution_count, job.update_time = old.execution_count, now()
        return self._put(call, job)

    def _delete(self, call: _Call) -> Json:
        job = self._job(call)
        for execution in self._of(job.name):
            self._cloud.forget(execution)
        del self._cloud.jobs[job.name]
        return self._done(call, "Job", job.shown())

    # --- executions --------------------------------------------------------------------------

    def _run(self, call: _Call) -> Json:
        overrides = call.body.get("overrides")
        if overrides:
            self._admit(call, "run.jobs.runWithOverrides")
        execution = self._cloud.start(self._job(call), overrides)
        return self._pending(call, "Execution", execution)

    def _of(self, job_name: str) -> list[CloudRunExecution]:
        """The executions of a job, newest first; of all jobs for `jobs/-`."""
        parent = job_name.removesuffix("-") if job_name.endswith("/-") else f"{job_name}/"
        return [one for one in self._cloud.executions[::-1] if one.name.startswith(parent)]

    def _executions(self, call: _Call) -> Json:
        if call.path["job"] != "-":
            self._job(call)
        return _page(call, "executions", [self._shown(one) for one in self._of(call.job_name)])

    def _found(self, call: _Call) -> CloudRunExecution:
        wanted = call.path["execution"]
        for execution in self._of(call.job_name):
            if execution.id == wanted:
                return execution
        raise resource_not_found("EXECUTION", wanted, call.place)

    def _shown(self, execution: CloudRunExecution) -> Json:
        return execution.shown(f"{self._cloud.url}/logs/{execution.id}")

    def _execution(self, call: _Call) -> Json:
        return self._shown(self._found(call))

    def _delete_execution(self, call: _Call) -> Json:
        execution = self._found(call)
        self._cloud.forget(execution)
        return self._done(call, "Execution", self._shown(execution))

    def _cancel(self, call: _Call) -> Json:
        execution = self._found(call)
        if execution.ended.is_set():
            raise CloudRunApiError(
                400, f"Execution '{execution.id}' has already completed.", "FAILED_PRECONDITION"
            )
        execution.cancel()
        return self._pending(call, "Execution", execution)

    def _tasks(self, call: _Call) -> Json:
        return _page(call, "tasks", self._found(call).shown_tasks())

    def _log(self, execution_id: str) -> Response:
        for execution in self._cloud.executions:
            if execution.id == execution_id:
                return PlainTextResponse("".join(map(execution.log, range(len(execution.tasks)))))
        return CloudRunApiError(404, f"there is no execution {execution_id}").response()

    # --- operations --------------------------------------------------------------------------

    def _done(self, call: _Call, kind: str, resource: Json) -> Json:
        """An operation that is done already."""
        typed = {"@type": _TYPE + kind, **resource}
        return self._kept(
            call, lambda name: {"name": name, "metadata": typed, "done": True, "response": typed}
        )

    def _pending(self, call: _Call, kind: str, execution: CloudRunExecution) -> Json:
        """An operation that is done when the execution is; a failed execution makes it an error."""

        def shown(name: str) -> Json:
            typed = {"@type": _TYPE + kind, **self._shown(execution)}
            operation: Json = {"name": name, "metadata": typed, "done": execution.ended.is_set()}
            if execution.ended.is_set():
                if execution.state == "failed":
                    operation["error"] = {"code": _UNKNOWN, "message": execution.failure}
                else:
                    operation["response"] = typed
            return operation

        return self._kept(call, shown)

    def _kept(self, call: _Call, shown: Callable[[str], Json]) -> Json:
        self._number += 1
        name = f"{call.path['parent']}/operations/{self._number:08d}"
        self._operations[name] = lambda: shown(name)
        return shown(name)

    def _operation(self, call: _Call) -> Json:
        name = f"{call.path['parent']}/operations/{call.path['id']}"
        if name not in self._operations:
            raise resource_not_found("OPERATION", call.path["id"], call.place)
        return self._operations[name]()


def _object(body: bytes) -> Json:
    try:
        found: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise invalid_argument("Invalid JSON payload received.") from None
    if not isinstance(found, dict):
        raise invalid_argument("Invalid JSON payload received. Expected an object.")
    return found


def _template(body: Json) -> Json:
    template = body.get("template")
    if not isinstance(template, dict):
        raise invalid_argument("job.template: is required.")
    spec_of(template)
    return template


def _page(call: _Call, name: str, found: list[Json]) -> Json:
    try:
        size = int(call.query.get("pageSize") or _PAGE) or _PAGE
        start = int(call.query.get("pageToken") or 0)
    except ValueError:
        raise invalid_argument("page_token or page_size is invalid.") from None
    end = start + min(size, _PAGE)
    more = {"nextPageToken": str(end)} if end < len(found) else {}
    return {name: found[start:end], **more}
