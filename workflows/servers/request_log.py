"""A list of the requests that a server has answered, kept in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that was answered. `target` is the raw path with its query.

    `user` is what the app put in `request.state.user`, if anything. `at` is when the request
    came, in Unix seconds; two requests that differ only in `at` are equal.
    """

    method: str
    target: str
    user: str | None
    status: int
    at: float = field(default=0.0, compare=False)


class RequestLog:
    """An app (ASGI) that passes requests on to another and appends each one to `entries`.

    An entry is appended just before the answer begins, so a client that has an answer finds it.
    The list grows without limit: for tests and the embedded stack.
    """

    def __init__(self, app: ASGIApp, entries: list[LoggedRequest]) -> None:
        self.app = app
        self.entries = entries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            send = self._logging(scope, send, time.time())
        await self.app(scope, receive, send)

    def _logging(self, scope: Scope, send: Send, at: float) -> Send:
        async def log_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                query = scope["query_string"].decode("latin-1")
                target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
                user = scope.get("state", {}).get("user")
                entry = LoggedRequest(scope["method"], target, user, message["status"], at)
                self.entries.append(entry)
            await send(message)

        return log_and_send
