"""Serve an ASGI app over HTTP from a thread of this process, on 127.0.0.1 unless asked otherwise.

Every server of ours starts with `serve_app`. What an app answers is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Send

HOST = "127.0.0.1"
# For httpx clients of http:// URLs only. It trusts no certificate, so none is loaded (40 ms).
PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - never a default; no address that a client can use
_STOP_S = 10.0  # after the grace; a thread that takes longer ends with the process
_TICK_S = 1.0  # how often uvicorn renews its Date header

Tls = tuple[str, str]  # path of the certificate file, path of its private key


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now; another process may take it before its use."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether something accepts connections at this port of 127.0.0.1; waits at most 1 s."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


class ConnectionCut(Exception):
    """Raised by an app to close the connection in the middle of an answer; it is not logged."""


async def cut_connection(send: Send) -> None:
    """Begin an answer of 200 and close the connection before its end.

    An answer must begin first: uvicorn answers 500 to an app that only raises.

    Raises:
        ConnectionCut: always; the app must let it pass.
    """
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionCut


@contextmanager
def serve_app(
    app: ASGIApp, *, port: int = 0, grace_s: int = 1, tls: Tls | None = None, host: str = HOST
) -> Iterator[str]:
    """Serve `app` for the length of the block and yield its base URL, `http://127.0.0.1:PORT`.

    Args:
        app: An ASGI app; it is served by uvicorn in a thread.
        port: 0 picks a free one.
        grace_s: Seconds that answers in progress get at the end; idle connections are closed
            at once.
        tls: Serve https with this certificate.
        host: Address to listen at. Another one than 127.0.0.1 lets other machines connect;
            0.0.0.0 (all interfaces) is for a container, and the URL names 127.0.0.1 then.

    The app answers from the first line of the block on. No signal handler is installed, and
    uvicorn logs warnings only.

    Raises:
        OSError: the port is taken.
        RuntimeError: the app did not start; its own error is the cause.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_no_cut)  # adding it twice changes nothing
    # asyncio sets TCP_NODELAY (saves 40 ms an answer) only if the socket names its protocol.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        scheme = "https" if tls else "http"
        base_url = (
            f"{scheme}://{HOST if host == _ALL_INTERFACES else host}:{bound.getsockname()[1]}"
        )
        server = _ThreadedServer(app, bound, grace_s, tls)
        server.start()
        try:
            yield base_url
        finally:
            server.stop()


def _is_no_cut(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionCut))


class _ThreadedServer(uvicorn.Server):
    """uvicorn in a thread: `start` returns when it is ready, `stop` when it has ended."""

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
        self._thread = threading.Thread(target=self._work, name="http-server", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if not self.started:
            self._thread.join(self._stop_s)
            raise RuntimeError("the app did not start") from self._failure

    def stop(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(self._stop_s)

    def _work(self) -> None:
        try:
            self.run(sockets=[self._bound])
        except BaseException as error:  # noqa: BLE001 - SystemExit too; `start` raises it
            self._failure = error
        finally:
            self._ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await super().startup(sockets)
        self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait also for the tasks that uvicorn cancels after the grace; it does not itself."""
        await super().shutdown(sockets)
        for connection in self.server_state.connections:
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_STOP_S / 2)
        await asyncio.sleep(0)  # lets the aborted connections close

    async def main_loop(self) -> None:
        """Wait for the event; uvicorn's own loop polls ten times a second."""
        while not (await self.on_tick(0) or self._stopping.is_set()):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_S)
