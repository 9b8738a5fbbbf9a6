"""One HTTP/1.1 connection of the pool in `transport.py`: one request at a time, its answer whole.

Parsing is llhttp's (httptools), except of a head that it has read before. Whoever asks is told by
a plain function, in the event loop's own call: a future and a task for each answer would cost as
much as all else together.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from workflows.core.errors import AnswerLost, RequestRefused, WorkflowsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.dag.runner.pool import ConnectionPool

MOST_PLAIN = 64  # heads that are known at a time
MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_READ_BYTES = 256 * 1024  # what uvloop reads at once
_END = b"\r\n\r\n"  # of a head
_OK = 200
_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class HttpResponse:
    """Status, head as it came, and body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, empty where there is none."""
        found = re.search(rb"(?i)\r\n%s[ \t]*:([^\r\n]*)" % name.encode(), self.head)
        return found[1].strip().decode("latin-1") if found else ""


class PoolConnection(asyncio.Protocol):
    """One connection with at most one request on its way, whose end `tell` is told, once."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.tell: Callable[[HttpResponse | WorkflowsError], None] | None = None
        self.deadline = 0.0
        self.idle_since = 0.0
        self._used = False  # had an answer before: the other side may just be closing it
        self._parser = HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._head = b""  # with the start of the body, where both came together
        self._body = b""
        self._head_done = False
        self._status = 0  # of an answer that is complete
        self._keep = False

    def send(
        self, data: bytes, deadline: float, tell: Callable[[HttpResponse | WorkflowsError], None]
    ) -> None:
        """One request; `deadline` is the loop's time, which the pool sees to."""
        self.tell = tell
        self.deadline = deadline
        self.transport.write(data)  # type: ignore[union-attr] # it is handed out when connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop's word that the connection is there."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """The event loop's word that something came."""
        if self.tell is None:
            self.close()  # nobody asked; what would come next cannot be trusted
            return
        if not self._head:  # the parser stands where it does before any answer
            head, _, body = data.partition(_END)
            if self.pool.plain.get(head) == len(body):
                tell, self.tell = self.tell, None
                self._used = True
                self.pool.release(self)
                tell(HttpResponse(_OK, data, body))
                return
        if not self._head_done:
            self._head = self._head + data if self._head else data
            if len(self._head) > _MAX_HEAD_BYTES + _READ_BYTES:
                self.fail(RequestRefused(f"{self.pool.host} sends endless headers"))
                return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._keep = False
            if not self._status:
                self.fail(AnswerLost(f"{self.pool.host} does not speak HTTP/1.1", why=str(error)))
        if self._status:
            self._finish()

    def on_message_begin(self) -> None:
        """The parser's word; a second answer in one piece is one that nobody asked for."""
        if self._status:
            raise HttpParserError("more than one answer")

    def on_headers_complete(self) -> None:
        """The parser's word."""
        self._head_done = True

    def on_body(self, piece: bytes) -> None:
        """The parser's word."""
        self._body = self._body + piece if self._body else piece
        if len(self._body) > MAX_BODY_BYTES:
            self.fail(RequestRefused(f"{self.pool.host} sends more than {MAX_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """The parser's word."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - informational; the answer is still to come
            self._head, self._head_done = self._head.partition(_END)[2], False
            return
        self._status, self._keep = status, self._parser.should_keep_alive()

    def _finish(self) -> None:
        """The answer is complete: the connection is free before anybody hears of it."""
        tell, self.tell = self.tell, None
        if tell is None:  # it has failed meanwhile
            return
        answer, keep = HttpResponse(self._status, self._head, self._body), self._keep
        self._reset()
        self._used = True
        if keep:
            if len(self.pool.plain) < MOST_PLAIN:
                self._learn(answer)
            self.pool.release(self)
        else:
            self.close()
        tell(answer)

    def _learn(self, answer: HttpResponse) -> None:
        """Keep the head of a plain answer: the parser says the same of it when it comes again.

        Plain: the body is what stands behind the head, as it is, to the end of what came. So it is
        framed by a length that the head tells.
        """
        head, _, body = answer.head.partition(_END)
        if answer.status == _OK and body and answer.body == body:
            self.pool.plain[head] = len(body)

    def connection_lost(self, error: Exception | None) -> None:
        """The event loop's word that the connection has ended, for whatever reason."""
        if self.tell is not None and self._head_done and error is None:
            head = self._head.partition(_END)[0]
            if not _FRAMED.search(head):  # its body ends with the connection
                self._status = self._parser.get_status_code()
                self._finish()
        lost = AnswerLost(
            f"the connection to {self.pool.host} broke before the answer",
            why=str(error or "") or "the other side closed it",
        )
        lost.stale = self._used and not self._head
        self.fail(lost)

    def fail(self, error: WorkflowsError) -> None:
        """End the request on its way, and the connection with it."""
        tell, self.tell = self.tell, None
        self.close()
        if tell is not None:
            tell(error)

    def close(self) -> None:
        """End the connection; whoever waits is not told."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()
        self.pool.forget(self)
