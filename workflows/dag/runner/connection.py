"""One HTTP/1.1 connection of the pool: it carries one request at a time. llhttp parses."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from workflows.core.errors import AnswerLost, RequestRefused, WorkflowsError
from workflows.dag.runner.messages import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_READ_BYTES = 256 * 1024  # uvloop reads as much at once
_END_OF_HEAD = b"\r\n\r\n"
_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class PoolConnection(asyncio.Protocol):
    """One connection to `host`; `send` gives it a request and the future of the response.

    `on_free` is called when the connection can take another request, `on_closed` when it cannot
    be used any more. `deadline` and `idle_since` are times of the event loop, in seconds.
    """

    def __init__(
        self,
        host: str,
        *,
        on_free: Callable[[PoolConnection], None],
        on_closed: Callable[[PoolConnection], None],
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self.response: asyncio.Future[HttpResponse] | None = None  # None while idle
        self.deadline = 0.0
        self.idle_since = 0.0
        self._host = host
        self._on_free = on_free
        self._on_closed = on_closed
        self._used = False  # after the first response the server may close it at any time
        self._parser = HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._head = b""  # with the start of the body, if both were received together
        self._body = b""
        self._head_done = False
        self._status = 0  # set when the response is complete
        self._keep_alive = False

    def send(self, data: bytes, deadline: float, response: asyncio.Future[HttpResponse]) -> None:
        """Send one request. The pool checks the deadline; `response` gets the result or error."""
        self.response = response
        self.deadline = deadline
        self.transport.write(data)  # type: ignore[union-attr] # the pool uses connected ones only

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop when the connection is open."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with each piece of a response."""
        if self.response is None:
            self.close()  # no request is in flight: the other side is out of step
            return
        if not self._head_done:
            self._head = self._head + data if self._head else data
            if len(self._head) > _MAX_HEAD_BYTES + _READ_BYTES:
                self.fail(RequestRefused(f"{self._host} sends endless headers"))
                return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._keep_alive = False
            if not self._status:
                self.fail(AnswerLost(f"{self._host} does not speak HTTP/1.1", why=str(error)))
        if self._status:
            self._finish()

    def on_message_begin(self) -> None:
        """Called by the parser at the start of a response; only one may follow a request."""
        if self._status:
            raise HttpParserError("more than one answer")

    def on_headers_complete(self) -> None:
        """Called by the parser after the last header."""
        self._head_done = True

    def on_body(self, piece: bytes) -> None:
        """Called by the parser with each piece of the body."""
        self._body = self._body + piece if self._body else piece
        if len(self._body) > MAX_BODY_BYTES:
            self.fail(RequestRefused(f"{self._host} sends more than {MAX_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a response."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - informational: the real response follows
            self._head, self._head_done = self._head.partition(_END_OF_HEAD)[2], False
            return
        self._status, self._keep_alive = status, self._parser.should_keep_alive()

    def _finish(self) -> None:
        """The response is complete. The connection is free before anybody sees the response."""
        response, self.response = self.response, None
        if response is None:  # the request has failed meanwhile
            return
        complete, keep_alive = HttpResponse(self._status, self._head, self._body), self._keep_alive
        self._reset()
        self._used = True
        if keep_alive:
            self._on_free(self)
        else:
            self.close()
        if not response.done():  # the caller may be cancelled
            response.set_result(complete)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop when the connection has ended."""
        if self.response is not None and self._head_done and error is None:
            head = self._head.partition(_END_OF_HEAD)[0]
            if not _FRAMED.search(head):  # such a body ends with the connection
                self._status = self._parser.get_status_code()
                self._finish()
        lost = AnswerLost(
            f"the connection to {self._host} broke before the answer",
            why=str(error or "") or "the other side closed it",
        )
        lost.stale = self._used and not self._head
        self.fail(lost)

    def fail(self, error: WorkflowsError) -> None:
        """Close the connection; the request in flight, if there is one, gets this error."""
        response, self.response = self.response, None
        self.close()
        if response is not None and not response.done():
            response.set_exception(error)

    def close(self) -> None:
        """Close the connection; a request in flight gets no result."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()
        self._on_closed(self)
