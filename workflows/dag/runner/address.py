"""The Task Runner's address, parsed and checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from workflows.core.errors import UrlRefused
from workflows.core.loopback import LOOPBACK
from workflows.core.redaction import redact

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RunnerAddress:
    """`scheme://authority/prefix`; `origin` is the audience of ID tokens."""

    secure: bool
    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        """The value of the Host header: the host, and the port if it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _PORTS["https" if self.secure else "http"]
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`https://host`, without the path."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, which is never reached through a proxy."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        """The address as a URL."""
        return self.origin + self.prefix


def parse_runner_address(text: str) -> RunnerAddress:
    """The address from a URL or a host; without a scheme it is https, and http for this machine.

    Raises:
        UrlRefused: it is no http(s) URL, or has a user, a query or a fragment.
    """
    try:
        url = _with_scheme(text.strip())
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(text, str(error)) from None
    if parts.scheme not in _PORTS or not host:
        raise _refused(text, "it is not http:// or https:// and a host")
    if any((parts.username, parts.password, parts.query, parts.fragment)):
        raise _refused(text, "it holds a user, a query or a fragment")
    if not url.isascii() or any(c.isspace() or ord(c) < 32 for c in url):  # noqa: PLR2004
        raise _refused(text, "it holds spaces or letters that a URL cannot hold")
    secure = parts.scheme == "https"
    return RunnerAddress(secure, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def _with_scheme(url: str) -> str:
    if "://" in url:
        return url
    host = urlsplit(f"//{url}").hostname or ""
    return f"{'http' if _is_loopback(host) else 'https'}://{url}"


def _is_loopback(host: str) -> bool:
    return host in LOOPBACK or host.startswith("127.")


def _refused(text: str, why: str) -> UrlRefused:
    return UrlRefused(
        f"not the address of a Task Runner: {redact(text)!r}",
        why=why,
        fix="give it as https://HOST or http://HOST:PORT",
    )
