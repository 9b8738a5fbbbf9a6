"""HTTP/1.1 to one host over kept connections, on the event loop: the traffic of a DAG run.

Not a general client: one origin, small answers that are read whole, no redirects, no cookies.
httpx costs 150 to 350 times the least possible per request, pycurl on an event loop 8 times,
this twice (docs/decisions/0010-dag-transport.md). Parsing is llhttp's (httptools), TLS is the
standard library's with its defaults: the certificate and the name are verified.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from workflows.core.errors import AnswerLost, NetworkError, RequestRefused, TimeoutExceeded
from workflows.dag import tunnel

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable

    from workflows.dag.address import Address

MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_IDLE_S = 4.0  # servers close what is idle for 5 s or more; a request then would be lost
_FRESH_S = 1.0
_READ_BYTES = 256 * 1024  # what uvloop reads at once
_SWEEP_S = 0.25
_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class Answer(NamedTuple):
    """Status, head as it came, and body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, empty where there is none."""
        found = re.search(rb"(?i)\r\n%s[ \t]*:([^\r\n]*)" % name.encode(), self.head)
        return found[1].strip().decode("latin-1") if found else ""


class _Connection(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, pool: Transport) -> None:
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.waiting: asyncio.Future[Answer] | None = None
        self.deadline = 0.0
        self.idle_since = 0.0
        self.used = False  # had an answer before: the other side may just be closing it
        self._parser = HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._head = b""  # with the start of the body, where both came together
        self._body = b""
        self._head_done = False

    def send(self, data: bytes, deadline: float) -> asyncio.Future[Answer]:
        assert self.transport is not None  # noqa: S101 - connected before it is handed out
        waiting = self.waiting = self.pool.loop.create_future()
        self.deadline = deadline
        self.transport.write(data)
        return waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.waiting is None:
            self.close()  # nobody asked; what would come next cannot be trusted
            return
        if not self._head_done:
            self._head = self._head + data if self._head else data
            if len(self._head) > _MAX_HEAD_BYTES + _READ_BYTES:
                self.fail(RequestRefused(f"{self.pool.host} sends endless headers"))
                return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.fail(AnswerLost(f"{self.pool.host} does not speak HTTP/1.1", why=str(error)))

    def on_headers_complete(self) -> None:
        self._head_done = True

    def on_body(self, piece: bytes) -> None:
        self._body = self._body + piece if self._body else piece
        if len(self._body) > MAX_BODY_BYTES:
            self.fail(RequestRefused(f"{self.pool.host} sends more than {MAX_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - informational; the answer is still to come
            self._head, self._head_done = self._head.partition(b"\r\n\r\n")[2], False
            return
        self._finish(status, keep=self._parser.should_keep_alive())

    def _finish(self, status: int, *, keep: bool) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is None:  # it has failed meanwhile
            return
        answer = Answer(status, self._head, self._body)
        self._reset()
        self.used = True
        if keep:
            self.pool.release(self)
        else:
            self.close()
        if not waiting.done():
            waiting.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting is not None and self._head_done and error is None:
            head = self._head.partition(b"\r\n\r\n")[0]
            if not _FRAMED.search(head):  # its body ends with the connection
                self._finish(self._parser.get_status_code(), keep=False)
        lost = AnswerLost(
            f"the connection to {self.pool.host} broke before the answer",
            why=str(error or "") or "the other side closed it",
        )
        lost.stale = self.used and not self._head
        self.fail(lost)

    def fail(self, error: Exception) -> None:
        """End the request on its way, and the connection with it."""
        waiting, self.waiting = self.waiting, None
        self.close()
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def close(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()
        self.pool.forget(self)


class Transport:
    """At most `connections` connections to one address; requests beyond that wait their turn.

    Use inside a running loop, and `close()` at the end.
    """

    def __init__(self, address: Address, *, connections: int = 64, timeout_s: float = 30) -> None:
        self.loop = asyncio.get_running_loop()
        self.address = address
        self.host = address.host
        self.timeout_s = timeout_s
        self._limit = connections
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._opening = 0
        self._turns: deque[asyncio.Future[None]] = deque()
        self._tls: ssl.SSLContext | None = tunnel.tls_context() if address.secure else None
        self._proxy = tunnel.proxy_for(address)
        self._sweeper: asyncio.TimerHandle | None = None

    def send(  # noqa: PLR0913 - options are keyword-only
        self,
        method: str,
        path: str,
        *,
        headers: str = "",
        body: bytes = b"",
        timeout_s: float | None = None,
        fresh: bool = False,
    ) -> Awaitable[Answer]:
        """One request, one answer. `headers` are whole lines, each with its CRLF.

        `fresh` takes no connection that has been idle for long: for what must not be sent twice.
        A plain function: with an idle connection at hand the answer's future is all it costs.

        Raises, when awaited:
            NetworkError: no connection; nothing was sent.
            AnswerLost: sent, perhaps carried out, but no answer; `stale` if a kept connection
                turned out to be closed.
            TimeoutExceeded: no answer in `timeout_s` seconds; perhaps carried out.
            RequestRefused: an answer beyond all bounds.
        """
        data = self._bytes(method, path, headers, body)
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        connection = self._at_hand(fresh=fresh)
        if connection is None:
            return self._later(data, limit_s, fresh=fresh)
        if self._sweeper is None:
            self._sweep_later()
        return connection.send(data, self.loop.time() + limit_s)

    async def _later(self, data: bytes, limit_s: float, *, fresh: bool) -> Answer:
        connection = await self._acquire(fresh=fresh)
        self._sweep_later()
        return await connection.send(data, self.loop.time() + limit_s)

    def close(self) -> None:
        """Close every connection; requests on their way end with AnswerLost."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._all):
            connection.fail(AnswerLost(f"the connection to {self.host} was closed by us"))

    def _bytes(self, method: str, path: str, headers: str, body: bytes) -> bytes:
        target = self.address.prefix + path
        if self._proxy is not None and not self.address.secure:
            target = f"http://{self.address.authority}{target}"
            headers = self._proxy.authorization + headers
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: {self.address.authority}\r\n"
        return f"{head}{headers}{length}\r\n".encode("latin-1") + body

    def _at_hand(self, *, fresh: bool) -> _Connection | None:
        """An idle connection, if there is one that is not too old."""
        while self._idle:
            connection = self._idle.pop()
            idle_s = self.loop.time() - connection.idle_since
            if idle_s <= (_FRESH_S if fresh else _IDLE_S):
                return connection
            connection.close()
        return None

    async def _acquire(self, *, fresh: bool) -> _Connection:
        """An idle connection, or a new one, in turn."""
        while True:
            connection = self._at_hand(fresh=fresh)
            if connection is not None:
                return connection
            if len(self._all) + self._opening < self._limit:
                return await self._open()
            turn = self.loop.create_future()
            self._turns.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next_turn()
                raise

    async def _open(self) -> _Connection:
        self._opening += 1
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = await tunnel.connect(
                    self.loop, lambda: _Connection(self), self.address, self._tls, self._proxy
                )
        except TimeoutError as error:
            raise NetworkError(f"no connection to {self.host}", why="it takes too long") from error
        except OSError as error:
            raise NetworkError(
                f"no connection to {self.address.authority}",
                why=str(error),
                fix="check the address of the Task Runner, and whether it is up",
            ) from error
        finally:
            self._opening -= 1
            self._next_turn()
        self._all.add(connection)
        return connection

    def release(self, connection: _Connection) -> None:
        """A connection's answer is complete: the next may use it."""
        connection.idle_since = self.loop.time()
        self._idle.append(connection)
        self._next_turn()

    def forget(self, connection: _Connection) -> None:
        """A connection is closed."""
        if connection in self._all:
            self._all.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._next_turn()

    def _next_turn(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Fail what is over its time; one timer for all instead of one for each request."""
        self._sweeper = None
        now = self.loop.time()
        busy = [one for one in self._all if one.waiting is not None]
        for one in busy:
            if one.waiting is not None and one.waiting.cancelled():
                one.waiting = None
                one.close()
            elif now >= one.deadline:
                one.fail(TimeoutExceeded(f"{self.host} did not answer in time"))
        if busy:
            self._sweep_later()
