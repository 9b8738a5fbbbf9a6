"""Answers as bytes, sent without a framework in between: the mock must be faster than its clients.

Bodies of errors are `{"error": {"message": …}}`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from starlette.types import Send

JSON = b"application/json"
Header = tuple[bytes, bytes]


class RunnerResponse(NamedTuple):
    """Status, body, its type, and headers besides type and length."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()

    async def send(self, send: Send) -> None:
        """Send all of it (ASGI)."""
        length = (b"content-length", str(len(self.body)).encode())
        headers = [(b"content-type", self.content_type), length, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class RequestRejected(Exception):
    """An answer instead of the one asked for; raised anywhere below a handler."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.answer = error_response(status, message, *headers)


def json_response(value: Any, status: int = 200) -> RunnerResponse:
    """JSON."""
    return RunnerResponse(status, json.dumps(value, separators=(",", ":")).encode())


def error_response(status: int, message: str, *headers: Header) -> RunnerResponse:
    """An error in words."""
    body = json.dumps({"error": {"message": message}}).encode()
    return RunnerResponse(status, body, JSON, headers)
