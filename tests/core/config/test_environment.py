"""What of our environment a child process gets to see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    import pytest

INHERITED = {
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
}
KEPT_BACK = [
    "GIT_TOKEN",
    "NOTIFY_URLS",
    "PREFECT_API_KEY",
    "OPENAI_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GIT_DIR",
    "GIT_CONFIG_COUNT",
    "GIT_SSH_COMMAND",
    "PYTHONPATH",
    "HOME",
    "BASH_ENV",
]


def test_a_child_inherits_only_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of everything that is set, a child gets the listed variables and no other."""
    for name in [*INHERITED, *KEPT_BACK]:
        monkeypatch.setenv(name, f"value of {name}")

    assert environment.for_child() == {name: f"value of {name}" for name in INHERITED}


def test_a_real_child_sees_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env`, started with what `for_child` returns, prints none of the secrets we have."""
    for name in KEPT_BACK:
        monkeypatch.setenv(name, "hunter22hunter22")

    done = process.run(["env"], env=environment.for_child(), timeout_s=10)

    assert "PATH=" in done.stdout
    assert "hunter22" not in done.stdout


def test_a_variable_that_is_not_set_is_not_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed variable that we lack is absent in the child too, not empty."""
    monkeypatch.delenv("http_proxy", raising=False)

    assert "http_proxy" not in environment.for_child()


def test_there_is_always_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent without PATH still gives its children the system's default one."""
    monkeypatch.delenv("PATH")

    assert environment.for_child() == {**environment.for_child(), "PATH": os.defpath}


def test_extra_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller adds replaces what was inherited."""
    monkeypatch.setenv("TZ", "UTC")

    child = environment.for_child([("TZ", "Asia/Tokyo"), ("MORE", "1")])

    assert (child["TZ"], child["MORE"]) == ("Asia/Tokyo", "1")


def test_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """`variable` answers None for a variable that is set to nothing."""
    monkeypatch.setenv("SOME_EMPTY", "")
    monkeypatch.setenv("SOME_FULL", "x")

    assert environment.variable("SOME_EMPTY") is None
    assert environment.variable("SOME_FULL") == "x"
    assert environment.variable("SOME_THAT_IS_NOT_SET") is None


def test_whole_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing what `whole` returned changes nothing in this process."""
    monkeypatch.setenv("SOME_FULL", "x")

    environment.whole()["SOME_FULL"] = "changed"

    assert environment.variable("SOME_FULL") == "x"


def test_set_default_leaves_the_operators_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """`set_default` sets what is missing and leaves what is there."""
    monkeypatch.setenv("SOME_LIBRARY_SWITCH", "operator")
    environment.set_default("SOME_LIBRARY_SWITCH", "ours")
    assert environment.variable("SOME_LIBRARY_SWITCH") == "operator"

    monkeypatch.delenv("SOME_LIBRARY_SWITCH")
    environment.set_default("SOME_LIBRARY_SWITCH", "ours")
    assert environment.variable("SOME_LIBRARY_SWITCH") == "ours"
