"""Opens connections to the Task Runner: directly, with TLS, through a proxy.

The environment names the proxy (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`). This
machine is never reached through a proxy, as in `core.http`.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from workflows.core.config import environment
from workflows.core.errors import SettingsInvalid
from workflows.core.redaction import remember

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from urllib.parse import SplitResult

    from workflows.dag.runner.address import RunnerAddress

P = TypeVar("P", bound=asyncio.Protocol)
_MAX_ANSWER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """An HTTP proxy; `authorization` is a whole header line, or empty."""

    host: str
    port: int
    authorization: str


def tls_context() -> ssl.SSLContext:
    """The standard library's defaults: verified certificate and name, SSL_CERT_FILE honoured."""
    import ssl  # noqa: PLC0415 - 20 ms that plain HTTP does without

    return ssl.create_default_context()


def proxy_for(address: RunnerAddress) -> HttpProxy | None:
    """The proxy that the environment names for this address; None if it is reached directly.

    Raises:
        SettingsInvalid: its value is not `http://[user:password@]host[:port]`.
    """
    if address.is_local or _is_excepted(address):
        return None
    name = "https_proxy" if address.secure else "http_proxy"
    value = _proxy_setting(name)
    if value is None:
        return None
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _unusable_proxy(name, str(error)) from None
    if parts.scheme != "http" or not host:
        raise _unusable_proxy(name, "only http:// proxies are supported")
    return HttpProxy(host, port or 80, _proxy_authorization(parts))


def _unusable_proxy(name: str, why: str) -> SettingsInvalid:
    return SettingsInvalid(
        f"{name} is not a proxy that can be used",
        why=why,
        fix="set it to http://HOST:PORT, or name the Task Runner in no_proxy",
    )


def _proxy_setting(name: str) -> str | None:
    """The value of the variable of this name, in lower or upper case, or else of `all_proxy`."""
    names = [name, name.upper(), "all_proxy", "ALL_PROXY"]
    if name == "http_proxy":
        names.remove("HTTP_PROXY")  # under CGI a request header `Proxy:` would set it
    return next((text for one in names if (text := environment.variable(one))), None)


def _proxy_authorization(proxy: SplitResult) -> str:
    """The header line with the user and the password of the proxy's URL; empty without a user."""
    if proxy.username is None:
        return ""
    password = unquote(proxy.password or "")
    remember([password])
    encoded = base64.b64encode(f"{unquote(proxy.username)}:{password}".encode()).decode()
    return f"Proxy-Authorization: Basic {encoded}\r\n"


def _is_excepted(address: RunnerAddress) -> bool:
    """Whether `no_proxy` names this host (with or without its port), a domain of it, or `*`."""
    host = address.host
    listed = environment.variable("no_proxy") or environment.variable("NO_PROXY") or ""
    for entry in filter(None, (part.strip().lower() for part in listed.split(","))):
        name = entry.removesuffix(f":{address.port}").lstrip(".")
        if name in {"*", host} or host.endswith(f".{name}"):
            return True
    return False


async def open_connection(
    make: Callable[[], P],
    address: RunnerAddress,
    tls: ssl.SSLContext | None,
    proxy: HttpProxy | None,
) -> P:
    """A connected protocol, made by `make`.

    Raises:
        OSError: no connection, an invalid certificate, or the proxy refuses.
    """
    loop = asyncio.get_running_loop()
    name = address.host if tls else None
    if proxy is None:
        _, protocol = await loop.create_connection(
            make, address.host, address.port, ssl=tls, server_hostname=name
        )
        return protocol
    if tls is None:
        _, protocol = await loop.create_connection(make, proxy.host, proxy.port)
        return protocol
    transport, tunnel = await loop.create_connection(_TunnelRequest, proxy.host, proxy.port)
    try:
        await tunnel.open(f"{address.host}:{address.port}", proxy.authorization)
        protocol = make()
        secured = await loop.start_tls(transport, protocol, tls, server_hostname=name)
    except BaseException:
        transport.abort()
        raise
    if secured is None:
        raise ConnectionError("the proxy closed the connection")
    protocol.connection_made(secured)
    return protocol


class _TunnelRequest(asyncio.Protocol):
    """Sends CONNECT to a proxy and waits for its response."""

    def __init__(self) -> None:
        self._answer = b""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    async def open(self, authority: str, authorization: str) -> None:
        """Return when the tunnel is open.

        Raises:
            ConnectionError: the proxy refuses, or closes the connection.
        """
        assert self._transport is not None  # noqa: S101 - connected
        lines = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{authorization}\r\n"
        self._transport.write(lines.encode("latin-1"))
        await self._done

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._done.done():
            return
        if b"\r\n\r\n" in self._answer or len(self._answer) > _MAX_ANSWER_BYTES:
            status = self._answer.split(b"\r\n", 1)[0].split(b" ")
            if status[1:2] == [b"200"]:
                self._done.set_result(None)
            else:
                reason = b" ".join(status[1:])[:100].decode(errors="replace")
                self._done.set_exception(ConnectionError(f"the proxy says {reason}"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the proxy closed the connection"))
