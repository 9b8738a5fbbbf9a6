"""HTTP/1.1 to one host over kept connections, on the event loop: the traffic of a DAG run.

Not a general client: one origin, small answers that are read whole, no redirects, no cookies.
httpx costs 150 to 350 times the least possible per request, pycurl on an event loop 8 times,
this twice (docs/decisions/0010-dag-runs.md). TLS is the standard library's with its
defaults: the certificate and the name are verified.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.core.errors import AnswerLost, NetworkError, TimeoutExceeded, WorkflowsError
from workflows.dag.runner import tunnel
from workflows.dag.runner.connection import MOST_PLAIN, HttpResponse, PoolConnection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from workflows.dag.runner.address import RunnerAddress

    Tell = Callable[[HttpResponse | WorkflowsError], None]
    _Waiting = tuple[bytes, float, Tell]  # data, seconds for its answer, whom to tell

_IDLE_S = 4.0  # servers close what is idle for 5 s or more; a request then would be lost
_FRESH_S = 1.0
_SWEEP_S = 0.25


@dataclass(slots=True, eq=False)
class Question:
    """What is asked. `headers` are whole lines, each with its CRLF; the body's length is in them.

    Its answer may take `extra_s` longer than the pool's time. `once`: it must not be sent twice,
    so it takes no connection that has been idle for long.
    """

    method: str
    path: str
    headers: str
    body: bytes
    extra_s: float
    once: bool


class ConnectionPool:
    """At most `connections` connections to one address; requests beyond that wait their turn.

    Use inside a running loop, and `close()` at the end.
    """

    def __init__(
        self, address: RunnerAddress, *, connections: int = 64, timeout_s: float = 30
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._now = self.loop.time
        self.address = address
        self.host = address.host
        self.timeout_s = timeout_s
        self._limit = connections
        self.plain: dict[bytes, int] = {}  # heads of plain answers, and the length of their bodies
        self._idle: list[PoolConnection] = []
        self._all: set[PoolConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._queue: deque[_Waiting] = deque()
        self._tls: ssl.SSLContext | None = tunnel.tls_context() if address.secure else None
        self._proxy = tunnel.proxy_for(address)
        self._prefix, self._always = self._constant_parts()
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(  # noqa: PLR0913 - options are keyword-only
        self,
        method: str,
        path: str,
        *,
        headers: str = "",
        body: bytes = b"",
        extra_s: float = 0,
        fresh: bool = False,
    ) -> HttpResponse:
        """One request, for those who can wait; as `ask`, but it says the body's length itself."""
        if body or method == "POST":
            headers += f"Content-Length: {len(body)}\r\n"
        return await self.ask(Question(method, path, headers, body, extra_s, fresh), "")

    async def ask(self, asked: Question, headers: str) -> HttpResponse:
        """`begin`, for those who can wait.

        Raises:
            NetworkError, AnswerLost, TimeoutExceeded, RequestRefused: what `begin` tells of.
        """
        done: asyncio.Future[HttpResponse] = self.loop.create_future()

        def tell(outcome: HttpResponse | WorkflowsError) -> None:
            if done.done():  # cancelled
                return
            if isinstance(outcome, HttpResponse):
                done.set_result(outcome)
            else:
                done.set_exception(outcome)

        self.begin(asked, headers, tell)
        try:
            return await done
        except asyncio.CancelledError:
            self._drop(tell)
            raise

    def begin(self, asked: Question, headers: str, tell: Tell) -> None:
        """One request; `tell` is called once, later, with its answer or with what went wrong.

        `headers` are lines that go before its own.

        What may be told of:
            NetworkError: no connection; nothing was sent.
            AnswerLost: sent, perhaps carried out, but no answer; `stale` if a kept connection
                turned out to be closed.
            TimeoutExceeded: no answer in time; perhaps carried out.
            RequestRefused: an answer beyond all bounds.
        """
        method, path = asked.method, self._prefix + asked.path
        head = f"{method} {path}{self._always}{headers}{asked.headers}\r\n"
        data = head.encode("latin-1") + asked.body
        limit_s = self.timeout_s + asked.extra_s
        if self._idle and not self._queue:
            now = self._now()
            connection = self._at_hand(now - (_FRESH_S if asked.once else _IDLE_S))
            if connection is not None:
                connection.send(data, now + limit_s, tell)
                if self._sweeper is None:
                    self._sweep_later()
                return
        self._queue.append((data, limit_s, tell))
        if len(self._all) < self._limit:
            self._open_more()

    def close(self) -> None:
        """Close every connection; whoever still waits is told that the answer is lost."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._limit = 0
        for task in list(self._opening):
            task.cancel()
        lost = AnswerLost(f"the connection to {self.host} was closed by us")
        while self._queue:
            self._queue.popleft()[2](lost)
        for connection in list(self._all):
            connection.fail(lost)

    def _drop(self, tell: Tell) -> None:
        """Nobody waits for this answer any more."""
        for waiting in self._queue:
            if waiting[2] is tell:
                self._queue.remove(waiting)
                return
        for connection in self._all:
            if connection.tell is tell:
                connection.tell = None
                connection.close()
                return

    def _constant_parts(self) -> tuple[str, str]:
        """What is before the path in every request, and after it."""
        address = self.address
        prefix, always = address.prefix, f" HTTP/1.1\r\nHost: {address.authority}\r\n"
        if self._proxy is not None and not address.secure:
            prefix = f"http://{address.authority}{prefix}"
            always += self._proxy.authorization
        return prefix, always

    # --- connections ------------------------------------------------------------------------

    def _at_hand(self, oldest: float) -> PoolConnection | None:
        """A connection that is idle, at most since `oldest`, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    def _open_more(self) -> None:
        """One more connection, if requests wait and the limit allows it."""
        opening = len(self._opening)
        if opening < len(self._queue) and len(self._all) + opening < self._limit:
            task = self.loop.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = await tunnel.connect(
                    self.loop, lambda: PoolConnection(self), self.address, self._tls, self._proxy
                )
        except TimeoutError as error:
            raise NetworkError(f"no connection to {self.host}", why="it takes too long") from error
        except OSError as error:
            raise NetworkError(
                f"no connection to {self.address.authority}",
                why=str(error),
                fix="check the address of the Task Runner, and whether it is up",
            ) from error
        if connection.transport is None or connection.transport.is_closing():
            raise NetworkError(f"{self.host} closed the connection at once")
        self._all.add(connection)
        self.release(connection)

    def _opened(self, task: asyncio.Task[None]) -> None:
        """A connection is there, or cannot be had: then the request that waits longest fails."""
        self._opening.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._queue:
            if not isinstance(error, WorkflowsError):
                error = NetworkError(f"no connection to {self.host}", why=repr(error))
            self._queue.popleft()[2](error)
        self._open_more()

    def release(self, connection: PoolConnection) -> None:
        """A connection is free: the request that waits longest takes it, if there is one."""
        now = connection.idle_since = self._now()
        if not self._queue:
            self._idle.append(connection)
            return
        data, limit_s, tell = self._queue.popleft()
        connection.send(data, now + limit_s, tell)
        if self._sweeper is None:
            self._sweep_later()

    def forget(self, connection: PoolConnection) -> None:
        """A connection is closed."""
        if connection in self._all:
            self._all.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._open_more()

    def _sweep_later(self) -> None:
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Fail what is over its time; one timer for all instead of one for each request."""
        self._sweeper = None
        if len(self.plain) >= MOST_PLAIN:  # they may hold the time of day, or what is never again
            self.plain.clear()
        now = self._now()
        busy = [one for one in self._all if one.tell is not None]
        for one in busy:
            if now >= one.deadline:
                one.fail(TimeoutExceeded(f"{self.host} did not answer in time"))
        if busy and self._sweeper is None:  # what failed may have begun another
            self._sweep_later()
