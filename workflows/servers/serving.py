"""Run any ASGI app on 127.0.0.1 for as long as a block lasts, and make it fail on purpose.

`serve` is the one way a server of ours starts inside this process; `Watched` writes down what an
app was asked and injects faults. What the apps answer is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import HTMLResponse, PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
# for httpx clients of servers of ours: it trusts nobody, and takes no 40 ms to load certificates
PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
EVERYWHERE = "0.0.0.0"  # noqa: S104 - asked for by name only, for containers
_STOP_S = 10.0  # on top of the grace; after this the thread is left to die with the process
_TICK_S = 1.0  # uvicorn renews its Date header this often


Tls = tuple[str, str]  # the file of a certificate, and of its key


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses at this moment."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something on this machine answers at the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


class ConnectionCut(Exception):
    """Raised by an app to cut the connection in the middle of an answer; it is not logged."""


@contextmanager
def serve(
    app: ASGIApp, *, port: int = 0, grace_s: int = 1, tls: Tls | None = None, host: str = HOST
) -> Iterator[str]:
    """Serve `app` from a thread and yield its base URL, `http://127.0.0.1:PORT` (https with `tls`).

    Another `host` than 127.0.0.1 lets other machines in; 0.0.0.0 is for a container.

    The app answers from the first line of the block on. Port 0 picks a free one. On leaving,
    idle connections are closed at once and answers in progress get `grace_s` seconds; no signal
    handler is installed and nothing but warnings is logged.

    Raises:
        OSError: the port is taken.
        RuntimeError: the app did not start; its own error is the cause.
    """
    logging.getLogger("uvicorn.error").addFilter(_not_a_cut)  # adding it twice changes nothing
    # asyncio switches Nagle's delay off (40 ms an answer) only where the protocol is said.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        scheme = "https" if tls else "http"
        base_url = f"{scheme}://{HOST if host == EVERYWHERE else host}:{bound.getsockname()[1]}"
        server = _Server(app, bound, grace_s, tls)
        server.start()
        try:
            yield base_url
        finally:
            server.stop()


def _not_a_cut(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionCut))


class _Server(uvicorn.Server):
    """A uvicorn that lives in a thread, says when it is ready and stops when told, unpolled."""

    def __init__(self, app: ASGIApp, bound: socket.socket, grace_s: int, tls: Tls | None) -> None:
        certificate, key = tls or (None, None)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=grace_s,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        super().__init__(config)
        self._bound = bound
        self._stop_s = grace_s + _STOP_S
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="serve", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if not self.started:
            self._thread.join(self._stop_s)
            raise RuntimeError("the app did not start") from self._failure

    def stop(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: it ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(self._stop_s)

    def _work(self) -> None:
        try:
            self.run(sockets=[self._bound])
        except BaseException as error:  # noqa: BLE001 - SystemExit too; told to who waits in start
            self._failure = error
        finally:
            self._ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await super().startup(sockets)
        self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave nothing behind: uvicorn cancels what outlasts the grace, but waits for none."""
        await super().shutdown(sockets)
        for connection in self.server_state.connections:
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_STOP_S / 2)
        await asyncio.sleep(0)  # lets the aborted connections close

    async def main_loop(self) -> None:
        """Wait for the event; uvicorn itself would look ten times a second."""
        while not (await self.on_tick(0) or self._stopping.is_set()):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_S)


@dataclass
class Faults:
    """What shall go wrong next; set the fields while the server runs.

    `fail_next`: statuses the next requests are answered with, the first one first.
    `latency_s`: how long every answer is held back.
    `drop_next`: how many coming answers are cut off in their middle.
    """

    fail_next: list[int] = field(default_factory=list)
    latency_s: float = 0.0
    drop_next: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that was answered. `target` is the raw path with its query.

    `at` is when it came, in Unix seconds; it makes no difference between two.
    """

    method: str
    target: str
    user: str | None
    status: int
    at: float = field(default=0.0, compare=False)


class Watched:
    """An app whose requests are written to `seen` and go wrong as `faults` says (ASGI).

    The app names who asks in `request.state.user`.
    """

    def __init__(self, app: ASGIApp, *, faults: Faults, seen: list[Seen]) -> None:
        self.app = app
        self.faults = faults
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it fail."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        at = time.time()
        if self.faults.latency_s:
            await asyncio.sleep(self.faults.latency_s)
        send = self._recorder(scope, send, at)
        if self.faults.drop_next > 0:
            self.faults.drop_next -= 1
            await _cut(self.app, scope, receive, send)
        elif self.faults.fail_next:
            await _gateway_error(self.faults.fail_next.pop(0))(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _recorder(self, scope: Scope, send: Send, at: float) -> Send:
        """Write the request down just before its answer starts, so a client finds it there."""

        async def recording(message: Message) -> None:
            if message["type"] == "http.response.start":
                query = scope["query_string"].decode("latin-1")
                target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
                user = scope.get("state", {}).get("user")
                self.seen.append(Seen(scope["method"], target, user, message["status"], at))
            await send(message)

        return recording


async def _cut(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the first half of the first piece of the app's answer, then hang up."""

    async def half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionCut
        await send(message)

    try:
        await app(scope, receive, half)
    except Exception:  # noqa: BLE001 - a framework may have wrapped the one raised above
        raise ConnectionCut from None


def _gateway_error(status: int) -> Response:
    """What a proxy in front of the app says: never the JSON that clients hope for."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return PlainTextResponse("Retry later\n", status, {"Retry-After": "1"})
    title = f"{status} {HTTPStatus(status).phrase}"
    return HTMLResponse(
        f"<html>\n<head><title>{title}</title></head>\n<body>\n"
        f"<center><h1>{title}</h1></center>\n</body>\n</html>\n",
        status,
    )
