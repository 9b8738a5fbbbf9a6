"""The process environment, raw: the one module that touches `os.environ`.

What our own variables mean, and which of them are secret, is said in `core.config.settings`.
`variable` is for those that are not ours, such as PORT, HTTP_PROXY and STORAGE_EMULATOR_HOST.
See docs/decisions/0002-environment-door.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.errors import SettingsInvalid

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


def state_folder() -> Path:
    """Where state that outlives a run is kept: below XDG_STATE_HOME, else ~/.local/state.

    Raises:
        SettingsInvalid: the user has no home.
    """
    given = variable("XDG_STATE_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / "workflows"
    try:
        return Path.home() / ".local" / "state" / "workflows"
    except RuntimeError:
        raise SettingsInvalid(
            "there is no folder to keep state in",
            why="neither HOME nor XDG_STATE_HOME is set",
            fix="set one of them; a DAG run can also be given --journal",
        ) from None


def values_named_as_secrets() -> list[str]:
    """Values of variables that are no setting of ours, but whose names say that they are secret.

    A CI job's own tokens are among them; the redactor must know them too.
    """
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
