"""Make chosen requests to a server fail on purpose: error answers, delays, cut connections.

For trying out how a client behaves. A server that is given no fault answers as it does without.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, PlainTextResponse

from workflows.servers.serving import ConnectionCut, cut_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    ErrorResponse = Callable[[int, str | None], Response]


@dataclass
class Fault:
    """What goes wrong with the requests of one kind.

    Attributes:
        method: The HTTP method; empty fits every one.
        path: A regular expression that is searched in the raw path.
        status: Answer with this error instead of passing the request to the app.
        drop: Cut the connection instead of answering.
        after: Let the app carry out the request first; only its answer is lost or delayed.
        latency_s: Seconds to wait before the request is passed on (with `after`: answered).
        retry_after: The Retry-After header that goes with `status`.
        times: How many more requests it holds for; counts down.
        skip: How many requests pass first; counts down.
    """

    method: str = ""
    path: str = ""
    status: int | None = None
    drop: bool = False
    after: bool = False
    latency_s: float = 0.0
    retry_after: str | None = None
    times: int = 1
    skip: int = 0

    def takes(self, method: str, target: str) -> bool:
        """Whether this fault holds for the request. Not idempotent: it counts down."""
        fits = self.method in ("", method) and re.search(self.path, target)
        if not fits or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class NextFaults:
    """What goes wrong with the next requests, whatever they are; change it while serving.

    Attributes:
        fail_next: Statuses that the next requests are answered with, in this order.
        latency_s: Seconds that every request waits before it is answered.
        drop_next: How many of the next answers are cut off in their middle; counts down.
    """

    fail_next: list[int] = field(default_factory=list)
    latency_s: float = 0.0
    drop_next: int = 0


def proxy_error(status: int, retry_after: str | None) -> Response:
    """What a proxy in front of the app answers: HTML or plain text, never JSON."""
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return PlainTextResponse("Retry later\n", status, headers)
    return HTMLResponse(f"<html><body><h1>{status}</h1></body></html>\n", status, headers)


class NextFaultsInjector:
    """An app (ASGI) that lets the next requests to another fail as a `NextFaults` says."""

    def __init__(self, app: ASGIApp, faults: NextFaults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it fail."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.faults.latency_s:
            await asyncio.sleep(self.faults.latency_s)
        if self.faults.drop_next > 0:
            self.faults.drop_next -= 1
            await _answer_half(self.app, scope, receive, send)
        elif self.faults.fail_next:
            status = self.faults.fail_next.pop(0)
            wait = "1" if status == HTTPStatus.TOO_MANY_REQUESTS else None
            await proxy_error(status, wait)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class FaultInjector:
    """An app (ASGI) that lets those requests to another fail that a list of faults names.

    Of several faults that fit a request the first one holds. The list may change while serving.
    """

    def __init__(
        self, app: ASGIApp, faults: list[Fault], *, error: ErrorResponse = proxy_error
    ) -> None:
        """`error` makes the answer from a status and the value of Retry-After."""
        self.app = app
        self.faults = faults
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it fail."""
        fault = self._fault(scope)
        if fault is None:
            await self.app(scope, receive, send)
            return
        held: list[Message] = []
        if fault.after:
            await self.app(scope, receive, _holding(held))
        await asyncio.sleep(fault.latency_s)
        if fault.drop:
            await cut_connection(send)
        elif fault.status is not None:
            await self._error(fault.status, fault.retry_after)(scope, receive, send)
        elif fault.after:
            for message in held:
                await send(message)
        else:
            await self.app(scope, receive, send)

    def _fault(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http":
            return None
        target = scope["raw_path"].decode("latin-1")
        return next((one for one in self.faults if one.takes(scope["method"], target)), None)


def _holding(held: list[Message]) -> Send:
    """A `send` that keeps the answer in a list instead of sending it."""

    async def hold(message: Message) -> None:
        held.append(message)

    return hold


async def _answer_half(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the first half of the first part of the app's answer, then cut the connection."""

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionCut
        await send(message)

    try:
        await app(scope, receive, send_half)
    except Exception:  # noqa: BLE001 - a framework may have wrapped the one raised above
        raise ConnectionCut from None
