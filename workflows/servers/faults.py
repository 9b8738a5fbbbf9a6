"""Faults for chosen requests; those for whatever comes next are `serving.Faults`."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from workflows.servers.serving import ConnectionCut

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Fault:
    """What goes wrong with requests whose method and raw path (a pattern, searched) fit.

    `skip` lets that many pass first, `times` is for how many it holds (it counts down).
    `status` answers with an error in place of the app; `retry_after` goes with it. `drop` cuts
    the connection. Both happen instead of the request unless `after`: then it is carried out
    first and only its answer is lost. `latency_s` holds the request back, or with `after` its
    answer.
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
        """Whether this request is hit; counts it."""
        fits = self.method in ("", method) and re.search(self.path, target)
        if not fits or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Faulty:
    """An app some of whose requests go wrong as a list of faults says (ASGI)."""

    def __init__(
        self, app: ASGIApp, faults: list[Fault], *, error: Callable[..., Response] | None = None
    ) -> None:
        """`error` makes the answer of a status and a Retry-After; the default is a proxy's."""
        self.app = app
        self.faults = faults
        self._error = error or _error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it fail."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        target = scope["raw_path"].decode("latin-1")
        fault = next((one for one in self.faults if one.takes(scope["method"], target)), None)
        if fault is None:
            await self.app(scope, receive, send)
            return
        held: list[Message] = []
        if fault.after:
            await self.app(scope, receive, _keeper(held))
        await asyncio.sleep(fault.latency_s)
        if fault.drop:
            await hang_up(send)
        elif fault.status is not None:
            await self._error(fault.status, fault.retry_after)(scope, receive, send)
        elif fault.after:
            for message in held:
                await send(message)
        else:
            await self.app(scope, receive, send)


async def hang_up(send: Send) -> None:
    """Begin an answer and cut the connection: without a beginning uvicorn would say 500."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionCut


def _keeper(held: list[Message]) -> Send:
    """Takes an answer without sending it."""

    async def keep(message: Message) -> None:
        held.append(message)

    return keep


def _error(status: int, retry_after: str | None) -> Response:
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return PlainTextResponse("Retry later\n", status, headers)
    return HTMLResponse(f"<html><body><h1>{status}</h1></body></html>\n", status, headers)
