"""The process environment, raw: the one module that touches `os.environ`.

Light on purpose (`--help` reads one variable and must not pay for pydantic); what the variables
mean is said in `core.config.settings`. See docs/decisions/0002-environment-door.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# What a child process may know of our environment: where programs, certificates, proxies and
# temporary files are. No token, no key, no git or Python configuration.
_INHERITED = (
    "PATH",
    "TMPDIR",
    "LANG",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSH_AUTH_SOCK",
)


_SECRET = ("_TOKEN", "_KEY", "_JWT", "_SECRET", "_PASSWORD", "_AUTH_STRING", "NOTIFY_URLS")


def variable(name: str) -> str | None:
    """The value of one environment variable; empty counts as not set."""
    return os.environ.get(name) or None


def secrets() -> list[str]:
    """Values of the variables whose names say that they are secret, for the redactor."""
    found = [value for name, value in os.environ.items() if name.upper().endswith(_SECRET)]
    return [value for value in found if value not in {"", "none"}]


def for_child(extra: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The environment to start a child with: a short list of ours, then `extra`.

    `PATH` is always there, so that a scrubbed parent still finds git.
    """
    chosen = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    chosen.setdefault("PATH", os.defpath)
    chosen.update(extra)
    return chosen


def whole() -> dict[str, str]:
    """A copy of everything, for children that are this program again (server, benchmark)."""
    return dict(os.environ)


def set_default(name: str, value: str) -> None:
    """Set a variable that libraries read by themselves, unless the operator already did."""
    os.environ.setdefault(name, value)
