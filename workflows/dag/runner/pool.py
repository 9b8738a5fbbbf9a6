"""A pool of HTTP/1.1 connections to one host, on the event loop: all requests of a DAG run.

It is no general client: one host, small responses that are read whole, no redirects, no cookies.
A general client costs several times the CPU of a step (docs/decisions/0010-dag-runs.md).
TLS is the standard library's, with its defaults: certificate and host name are verified.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from workflows.core.errors import AnswerLost, NetworkError, TimeoutExceeded, WorkflowsError
from workflows.dag.runner import tunnel
from workflows.dag.runner.connection import PoolConnection

if TYPE_CHECKING:
    import ssl

    from workflows.dag.runner.address import RunnerAddress
    from workflows.dag.runner.messages import HttpRequest, HttpResponse

_MAX_IDLE_S = 4.0  # servers close connections that are idle for 5 s or more
_MAX_IDLE_NOT_REPEATABLE_S = 1.0
_DEADLINE_CHECK_S = 0.25
_HEADERS = "Accept: application/json\r\nUser-Agent: workflows\r\n"


class _Waiting(NamedTuple):
    """A request that waits for a free connection; `limit_s` counts from when it is sent."""

    data: bytes
    limit_s: float
    response: asyncio.Future[HttpResponse]


class ConnectionPool:
    """At most `connections` connections to one address; further requests wait for a free one.

    `timeout_s` is the time for a connection and for a response, in seconds. Create it inside a
    running event loop, and call `close()` at the end.
    """

    def __init__(
        self, address: RunnerAddress, *, connections: int = 64, timeout_s: float = 30
    ) -> None:
        self.address = address
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._limit = connections
        self._idle: list[PoolConnection] = []
        self._all: set[PoolConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._queue: deque[_Waiting] = deque()
        self._tls: ssl.SSLContext | None = tunnel.tls_context() if address.secure else None
        self._proxy = tunnel.proxy_for(address)
        self._prefix, self._after_path = self._constant_parts()
        self._deadline_timer: asyncio.TimerHandle | None = None

    def request(
        self, request: HttpRequest, authorization: str = ""
    ) -> asyncio.Future[HttpResponse]:
        """Send one request; `authorization` is a whole header line, or empty.

        A future and no coroutine, because each coroutine between the caller and the connection
        is resumed for each response. If it is cancelled while the request waits for a connection,
        the request is not sent; after that its response is dropped. Errors of the future:

            NetworkError: no connection; nothing was sent.
            AnswerLost: the request was sent and may have been carried out, but there is no
                response; `stale` if the server had closed a kept connection.
            TimeoutExceeded: no response in time; the request may have been carried out.
            RequestRefused: the response is larger than we accept.
        """
        response: asyncio.Future[HttpResponse] = self._loop.create_future()
        data = self._encoded(request, authorization)
        limit_s = self._timeout_s + request.extra_s
        connection = None
        if self._idle and not self._queue:
            max_idle_s = _MAX_IDLE_S if request.repeatable else _MAX_IDLE_NOT_REPEATABLE_S
            connection = self._idle_connection(max_idle_s)
        if connection is not None:
            connection.send(data, self._loop.time() + limit_s, response)
        else:
            self._queue.append(_Waiting(data, limit_s, response))
            if len(self._all) < self._limit:
                self._open_more()
        if self._deadline_timer is None:
            self._check_deadlines_later()
        return response

    def close(self) -> None:
        """Close every connection; requests that are not answered yet fail with AnswerLost."""
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        self._limit = 0
        for task in list(self._opening):
            task.cancel()
        lost = AnswerLost(f"the connection to {self.address.host} was closed by us")
        while self._queue:
            self._fail_next(lost)
        for connection in list(self._all):
            connection.fail(lost)

    def _encoded(self, request: HttpRequest, authorization: str) -> bytes:
        method, body = request.method, request.body
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {self._prefix}{request.path}{self._after_path}{authorization}"
        return f"{head}{request.headers}{length}\r\n".encode("latin-1") + body

    def _constant_parts(self) -> tuple[str, str]:
        """What is before the path in every request, and after it."""
        address = self.address
        prefix = address.prefix
        after = f" HTTP/1.1\r\nHost: {address.authority}\r\n{_HEADERS}"
        if self._proxy is not None and not address.secure:
            prefix = f"http://{address.authority}{prefix}"
            after += self._proxy.authorization
        return prefix, after

    def _fail_next(self, error: WorkflowsError) -> None:
        """The request that waits longest gets this error."""
        response = self._queue.popleft().response
        if not response.done():
            response.set_exception(error)

    # --- connections ------------------------------------------------------------------------

    def _idle_connection(self, max_idle_s: float) -> PoolConnection | None:
        """A connection that has been idle for no longer than this; older ones are closed."""
        oldest = self._loop.time() - max_idle_s
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    def _open_more(self) -> None:
        """Open one more connection, if requests wait and the limit allows it."""
        opening = len(self._opening)
        if opening < len(self._queue) and len(self._all) + opening < self._limit:
            task = self._loop.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await tunnel.open_connection(
                    self._new_connection, self.address, self._tls, self._proxy
                )
        except TimeoutError as error:
            raise NetworkError(
                f"no connection to {self.address.host}", why="it takes too long"
            ) from error
        except OSError as error:
            raise NetworkError(
                f"no connection to {self.address.authority}",
                why=str(error),
                fix="check the address of the Task Runner, and whether it is up",
            ) from error
        if connection.transport is None or connection.transport.is_closing():
            raise NetworkError(f"{self.address.host} closed the connection at once")
        self._all.add(connection)
        self._connection_free(connection)

    def _new_connection(self) -> PoolConnection:
        return PoolConnection(
            self.address.host, on_free=self._connection_free, on_closed=self._connection_closed
        )

    def _opened(self, task: asyncio.Task[None]) -> None:
        """A connection was opened, or could not be: then the request that waits longest fails."""
        self._opening.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._queue:
            if not isinstance(error, WorkflowsError):
                error = NetworkError(f"no connection to {self.address.host}", why=repr(error))
            self._fail_next(error)
        self._open_more()

    def _connection_free(self, connection: PoolConnection) -> None:
        """Give the connection to the request that waits longest, or keep it."""
        now = self._loop.time()
        while self._queue:
            data, limit_s, response = self._queue.popleft()
            if not response.done():
                connection.send(data, now + limit_s, response)
                return
        connection.idle_since = now
        self._idle.append(connection)

    def _connection_closed(self, connection: PoolConnection) -> None:
        if connection in self._all:
            self._all.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._open_more()

    def _check_deadlines_later(self) -> None:
        self._deadline_timer = self._loop.call_later(_DEADLINE_CHECK_S, self._check_deadlines)

    def _check_deadlines(self) -> None:
        """Fail requests that are over their time. One timer for all costs less than one each."""
        self._deadline_timer = None
        now = self._loop.time()
        busy = [one for one in self._all if one.response is not None]
        for one in busy:
            if now >= one.deadline:
                one.fail(TimeoutExceeded(f"{self.address.host} did not answer in time"))
        if busy or self._queue:
            self._check_deadlines_later()
