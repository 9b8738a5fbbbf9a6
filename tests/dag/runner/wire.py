"""Servers for tests of the wire: certificates of an authority of our own, proxies, exact bytes."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

_NAME = "An authority of our own"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: z\r\n\r\n"
)
_BROKEN = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)


@dataclass
class Authority:
    """A certificate authority; `file` is its certificate."""

    file: Path
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        file = folder / "authority.pem"
        file.write_bytes(certificates.signed(_NAME, key, _NAME, key))
        return cls(file, key)

    def server(self, *names: str) -> ssl.SSLContext:
        """What a server with a certificate for these names needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = self.file.with_name(f"{names[0]}.pem")
        file.write_bytes(
            certificates.signed(names[0], key, _NAME, self._key, names)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@dataclass
class Seen:
    """The heads of requests that came, and how many connections."""

    heads: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0


@asynccontextmanager
async def answering(
    reply: Callable[[int, str], list[bytes] | None], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Seen]:
    """A server: `reply(number, head)` gives the pieces of an answer, each sent by itself.

    An empty piece at the end closes the connection after the answer; None closes it at once.
    """
    seen = Seen()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        with suppress(*_BROKEN):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await reader.readexactly(_length(head))
                seen.heads.append(head)
                pieces = reply(len(seen.heads), head)
                if pieces is None:
                    break
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if not pieces[-1]:
                    break
        writer.close()

    async with _listening(serve, seen, tls):
        yield seen


@asynccontextmanager
async def proxy(target: int, answer: bytes = b"HTTP/1.1 200 Fine\r\n\r\n") -> AsyncIterator[Seen]:
    """A proxy that leads every CONNECT to this port here, if its answer is a 200."""
    seen = Seen()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        with suppress(*_BROKEN):
            seen.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(answer)
            if b" 200 " in answer:
                there, back = await asyncio.open_connection("127.0.0.1", target)  # noqa: TID251 - the other side
                await asyncio.gather(_pump(reader, back), _pump(there, writer))
        writer.close()

    async with _listening(serve, seen, None):
        yield seen


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(*_BROKEN):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    seen: Seen,
    tls: ssl.SSLContext | None,
) -> AsyncIterator[None]:
    tasks: set[asyncio.Task[object]] = set()

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(kept, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the next iteration of the loop


def _length(head: str) -> int:
    for line in head.lower().split("\r\n"):
        if line.startswith("content-length:"):
            return int(line.partition(":")[2])
    return 0
