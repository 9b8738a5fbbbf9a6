"""A Task Runner of the documented protocol and of nothing more, for runs in tests.

It is the Task Runner with the mock, and in front of it what makes it plain: `POST /job` and
`GET /jobstatus?job_id=` only, no long poll, no idempotency key, no search, no cancel, and a job's
answer is its id and its state. What a client sends beside that is not looked at, as a plain runner
does not know it.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from workflows.servers.serving import serve_app
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send

    from workflows.task_runner.auth import TokenCheck

_REQUESTS = {("POST", "/job"), ("GET", "/jobstatus")}
_HEADERS = {b"content-type", b"content-length", b"authorization"}


class PlainRunner:
    """Serves a mock's plan by the documented protocol; has what tests ask of a `TaskRunner`.

    `before_submission` is called with the number of the `POST /job`, from 1, before the job is
    made; `after_submission` before its answer is sent.
    """

    def __init__(self, plan: MockPlan, *, check: TokenCheck | None = None) -> None:
        self.mock = Mock(plan)
        self._full = TaskRunner(self.mock, check=check)
        self.requests: Counter[str] = Counter()
        self.polls: Counter[str] = Counter()
        self.before_submission: Callable[[int], Awaitable[None]] | None = None
        self.after_submission: Callable[[int], Awaitable[None]] | None = None

    @property
    def ran(self) -> Counter[str]:
        """How many jobs were made of each name."""
        return self._full.ran

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve it and yield its base URL; its jobs end with the block."""
        try:
            with serve_app(self) as url:
                yield url
        finally:
            self.mock.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        known = (scope["method"], scope["path"])
        self.requests[" ".join(known)] += 1
        if known not in _REQUESTS:
            await _not_found(send)
            return
        job_ids = parse_qs(scope["query_string"].decode()).get("job_id", [])
        plain = dict(scope)
        plain["headers"] = [pair for pair in scope["headers"] if pair[0] in _HEADERS]
        plain["query_string"] = urlencode({"job_id": job_ids[0]}).encode() if job_ids else b""
        if job_ids:
            self.polls[job_ids[0]] += 1
        number = self.requests["POST /job"]
        submission = known == ("POST", "/job")
        if submission and self.before_submission:
            await self.before_submission(number)

        async def answer(message: Message) -> None:
            if submission and message["type"] == "http.response.start" and self.after_submission:
                await self.after_submission(number)
            await send(message)

        await self._full.app(plain, receive, _Reduced(answer))


class _Reduced:
    """Passes an answer on with a job's id and state as all that it says of a job."""

    def __init__(self, send: Callable[[Message], Awaitable[None]]) -> None:
        self._send = send
        self._start: Any = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body" or self._start is None:
            await self._send(message)
            return
        if message.get("more_body"):  # an answer that is cut off in the middle
            await self._send(self._start)
            self._start = None
            await self._send(message)
            return
        body = message.get("body", b"")
        if self._start["status"] == 200:
            job = json.loads(body)["job"]
            body = json.dumps({"job": {"jobId": job["jobId"], "state": job["state"]}}).encode()
        headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({**message, "body": body})


async def _not_found(send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"404 page not found\n"})
