"""The Task Runner's protocol as an ASGI app: routes, tokens, idempotency keys, long polls.

The state of a job is decided by a `JobBackend`, not here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from workflows.task_runner import openapi
from workflows.task_runner.job_request import parse_job_request
from workflows.task_runner.jobs import KeyReused
from workflows.task_runner.responses import RequestRejected, RunnerResponse, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from workflows.task_runner.auth import TokenCheck
    from workflows.task_runner.backends.backend import JobBackend
    from workflows.task_runner.job import TaskJob
    from workflows.task_runner.jobs import TaskJobs

    Handler = Callable[["RunnerCall"], Awaitable[RunnerResponse]]

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_WAIT_S = 55.0
MAX_KEY = 255
_TEXT = b"text/plain; charset=utf-8"
_PUBLIC = frozenset({"/openapi.json", "/docs", "/health"})
_CAPABILITIES = {"wait": True, "cancel": True, "find": True, "idempotency": True}
_logger = logging.getLogger(__name__)


class RunnerCall(NamedTuple):
    """One request: its query, headers (lower-case names) and how to read its body."""

    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    receive: Receive


class TaskRunnerApi:
    """The ASGI app of the protocol; `openapi` describes each path.

    `requests` counts the requests by method and path, `faults` the injected faults by kind.
    """

    def __init__(self, jobs: TaskJobs, backend: JobBackend, check: TokenCheck | None) -> None:
        self.requests: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._jobs = jobs
        self._backend = backend
        self._check = check
        self._handlers: dict[str, dict[str, Handler]] = {
            "/job": {"POST": self._submit},
            "/jobstatus": {"GET": self._status},
            "/jobs": {"GET": self._list},
            "/job/cancel": {"POST": self._cancel},
            "/job/log": {"GET": self._log},
            "/capabilities": {"GET": self._capabilities},
            "/counters": {"GET": self._counters},
            "/health": {"GET": self._health},
            "/openapi.json": {"GET": self._openapi},
            "/docs": {"GET": self._docs},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """RunnerResponse one request."""
        if scope["type"] != "http":
            return
        try:
            found = await self._answer(scope, receive)
        except RequestRejected as refusal:
            found = refusal.answer
        except Exception:
            _logger.exception("%s %s", scope["method"], scope["path"])
            found = RequestRejected(500, "internal error, see the Task Runner's log").answer
        if scope["method"] == "HEAD":
            found = found._replace(body=b"")
        await found.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> RunnerResponse:
        method, path = scope["method"], scope["path"]
        methods = self._handlers.get(path)
        if methods is None:
            raise RequestRejected(404, "there is nothing here; see /docs")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = ", ".join(methods)
            raise RequestRejected(405, f"use {allowed}", (b"allow", allowed.encode()))
        self.requests[f"{method} {path}"] += 1
        headers = dict(scope["headers"])
        if self._check and path not in _PUBLIC:
            problem = self._check.problem(headers.get(b"authorization", b""))
            if problem:
                raise RequestRejected(401, problem, (b"www-authenticate", b"Bearer"))
        query = scope["query_string"]
        found = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}
        return await handler(RunnerCall(found, headers, receive))

    async def _submit(self, call: RunnerCall) -> RunnerResponse:
        kind = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise RequestRejected(415, "Content-Type must be application/json")
        key = call.headers.get(b"idempotency-key", b"").decode("latin-1")
        if len(key) > MAX_KEY:
            raise RequestRejected(400, f"Idempotency-Key is longer than {MAX_KEY}")
        request = parse_job_request(await _body(call.receive))
        try:
            job, new = self._jobs.create(request, key)
        except KeyReused:
            raise RequestRejected(
                409, "this Idempotency-Key came with another body before"
            ) from None
        if new:
            self._backend.start(job)
        else:
            self._backend.refresh(job)
        return json_response({"job": job.facts()})

    async def _status(self, call: RunnerCall) -> RunnerResponse:
        job = self._job(call)
        left = self._backend.refresh(job)
        wait = call.query.get("wait")
        if wait is not None and not job.state.final:
            await self._ended(job, _seconds(wait), left)
        return json_response({"job": job.facts()})

    async def _ended(self, job: TaskJob, wait_s: float, left: float | None) -> None:
        """Wait until the job has ended, at most `wait_s` seconds; `left` as of `refresh`."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        callback = partial(_set_event, loop, ended)
        until = loop.time() + wait_s
        if not self._jobs.listen(job, callback):
            return
        try:
            while not job.state.final and loop.time() < until:
                rest = until - loop.time()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), rest if left is None else min(left, rest))
                left = self._backend.refresh(job)
        finally:
            self._jobs.stop_listening(job, callback)

    async def _list(self, call: RunnerCall) -> RunnerResponse:
        name = call.query.get("job_name")
        if not name:
            raise RequestRejected(400, "job_name is missing")
        jobs = self._jobs.named(name)
        for job in jobs:
            self._backend.refresh(job)
        return json_response({"jobs": [job.facts() | {"job_name": name} for job in jobs]})

    async def _cancel(self, call: RunnerCall) -> RunnerResponse:
        job = self._job(call)
        if not job.state.final:
            self._backend.cancel(job)
        return json_response({"job": job.facts()})

    async def _log(self, call: RunnerCall) -> RunnerResponse:
        job = self._job(call)
        text = await asyncio.to_thread(self._backend.log, job)
        return RunnerResponse(200, text.encode(errors="replace"), _TEXT)

    async def _capabilities(self, _: RunnerCall) -> RunnerResponse:
        return json_response(_CAPABILITIES)

    async def _counters(self, _: RunnerCall) -> RunnerResponse:
        return json_response(
            {"ran": self._jobs.ran, "requests": self.requests, "faults": self.faults}
        )

    async def _health(self, _: RunnerCall) -> RunnerResponse:
        return json_response({"status": "ok", "backend": self._backend.name})

    async def _openapi(self, _: RunnerCall) -> RunnerResponse:
        return json_response(openapi.openapi_document())

    async def _docs(self, _: RunnerCall) -> RunnerResponse:
        return RunnerResponse(200, openapi.openapi_page().encode(), b"text/html; charset=utf-8")

    def _job(self, call: RunnerCall) -> TaskJob:
        """The job that the query names."""
        job_id = call.query.get("job_id")
        if not job_id:
            raise RequestRejected(400, "job_id is missing")
        job = self._jobs.find(job_id)
        if job is None:
            raise RequestRejected(404, f"there is no job {job_id[:100]!r}")
        return job


def _set_event(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed, so no request waits
        loop.call_soon_threadsafe(ended.set)


async def _body(receive: Receive) -> bytes:
    """All of the body.

    Raises:
        RequestRejected: 413, or 400 if the client went away.
    """
    pieces = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestRejected(400, "the body was cut off")
        pieces += message.get("body", b"")
        if len(pieces) > MAX_BODY_BYTES:
            raise RequestRejected(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        if not message.get("more_body"):
            return bytes(pieces)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise RequestRejected(400, "wait must be a number of seconds")
    return min(value, MAX_WAIT_S)
