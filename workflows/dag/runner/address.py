"""The Task Runner's address: taken apart and checked once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from workflows.core.errors import UrlRefused
from workflows.core.loopback import LOOPBACK
from workflows.core.redaction import redact

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RunnerAddress:
    """`scheme://authority/prefix`; `origin` is what an ID token is made out to."""

    secure: bool
    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        """Host and, where it is not the usual one, port: the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _PORTS["https" if self.secure else "http"]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`https://host`, without the path."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    @property
    def here(self) -> bool:
        """Whether it is this machine: never through a proxy."""
        return self.host in LOOPBACK or self.host.startswith("127.")

    def __str__(self) -> str:
        """The address as a URL."""
        return self.origin + self.prefix


def parse_runner_address(text: str) -> RunnerAddress:
    """The address as people write it; without a scheme it is https, and http on this machine.

    Raises:
        UrlRefused: no http(s) URL, or one with a user, a query or a fragment.
    """
    whole = text.strip()
    if "://" not in whole:
        host = urlsplit(f"//{whole}").hostname or ""
        here = host in LOOPBACK or host.startswith("127.")
        whole = f"{'http' if here else 'https'}://{whole}"
    try:
        parts = urlsplit(whole)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _refused(text, str(error)) from None
    if parts.scheme not in _PORTS or not host:
        raise _refused(text, "it is not http:// or https:// and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _refused(text, "it holds a user, a query or a fragment")
    if not whole.isascii() or any(c.isspace() or ord(c) < 32 for c in whole):  # noqa: PLR2004
        raise _refused(text, "it holds spaces or letters that a URL cannot hold")
    secure = parts.scheme == "https"
    return RunnerAddress(secure, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def _refused(text: str, why: str) -> UrlRefused:
    return UrlRefused(
        f"not the address of a Task Runner: {redact(text)!r}",
        why=why,
        fix="give it as https://HOST or http://HOST:PORT",
    )
