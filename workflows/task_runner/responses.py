"""HTTP responses as bytes, sent without a framework: the mock must be faster than its clients.

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
    """Status, body, content type, and further headers."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()

    async def send(self, send: Send) -> None:
        """Send the response (ASGI)."""
        length = (b"content-length", str(len(self.body)).encode())
        headers = [(b"content-type", self.content_type), length, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class RequestRejected(Exception):
    """The request cannot be carried out; raised below a handler, with the response to send."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.answer = error_response(status, message, *headers)


def json_response(value: Any, status: int = 200) -> RunnerResponse:
    """A response with `value` as JSON."""
    return RunnerResponse(status, json.dumps(value, separators=(",", ":")).encode())


def error_response(status: int, message: str, *headers: Header) -> RunnerResponse:
    """A response with `message` as the error."""
    body = json.dumps({"error": {"message": message}}).encode()
    return RunnerResponse(status, body, JSON, headers)
