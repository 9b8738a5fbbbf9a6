"""The error tree, against the picture of it in the module's docstring."""

from __future__ import annotations

import inspect
import pickle
import re
import signal

import pytest

from workflows.core import errors
from workflows.core.errors import (
    AuthenticationFailed,
    PushHookDeclined,
    RemoteUnavailable,
    Terminated,
    TransientError,
    WorkflowsError,
)

_NODE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>\w+) +(?P<code>\d+(?: or \d+)?)  +(?P<says>.+)$")
CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
}
ERRORS = [kind for kind in CLASSES.values() if issubclass(kind, WorkflowsError)]


def drawn() -> dict[str, tuple[str | None, str]]:
    """Each name in the picture with the name above it and its exit code."""
    picture = (errors.__doc__ or "").split("```")[1].removeprefix("text").strip("\n")
    nodes: dict[str, tuple[str | None, str]] = {}
    above: list[str] = []
    for line in picture.splitlines():
        node = _NODE.match(line)
        assert node, f"not a node: {line!r}"
        above = above[: len(node["indent"]) // 4]
        nodes[node["name"]] = (above[-1] if above else None, node["code"])
        above.append(node["name"])
    return nodes


def test_the_picture_shows_every_class_and_nothing_else() -> None:
    """The names in the drawn tree are exactly the exception classes of the module."""
    assert set(drawn()) == set(CLASSES)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_a_class_is_where_the_picture_has_it(kind: type[WorkflowsError]) -> None:
    """A class's base and exit code are those of the drawn tree."""
    above, code = drawn()[kind.__name__]

    base = kind.__base__.__name__ if kind is not WorkflowsError and kind.__base__ else None
    assert (base, str(kind.exit_code)) == (above, code)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_retryable_is_a_matter_of_class(kind: type[WorkflowsError]) -> None:
    """An error can be retried, and exits with 75, exactly when it is a TransientError."""
    error = kind("it did not work", why="try again later, timeout, 503")

    assert error.retryable is issubclass(kind, TransientError)
    assert (error.exit_code == 75) is issubclass(kind, TransientError)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (AuthenticationFailed("no entry"), "no entry"),
        (AuthenticationFailed("no entry", why="401"), "no entry\n  why: 401"),
        (AuthenticationFailed("no entry", fix="a token"), "no entry\n  fix: a token"),
        (
            AuthenticationFailed("no entry", why="401\nsaid it\n", fix="a token"),
            "no entry\n  why: 401\n       said it\n  fix: a token",
        ),
    ],
    ids=["what", "what and why", "what and fix", "why of two lines"],
)
def test_the_text_says_what_why_and_fix(error: WorkflowsError, shown: str) -> None:
    """The text is what went wrong, then why and fix where there is something to say."""
    assert str(error) == shown


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_pickling_keeps_class_and_texts(kind: type[WorkflowsError]) -> None:
    """An error that crosses a process border arrives with its class and all three texts."""
    arrived = pickle.loads(pickle.dumps(kind("a", why="b", fix="c")))  # noqa: S301 - our own bytes

    assert type(arrived) is kind
    assert (arrived.what, arrived.why, arrived.fix) == ("a", "b", "c")


def test_pickling_keeps_how_long_to_wait() -> None:
    """The Retry-After of an unavailable remote survives pickling."""
    error = RemoteUnavailable("busy")
    error.wait_s = 7.0

    assert pickle.loads(pickle.dumps(error)).wait_s == 7.0  # noqa: S301 - our own bytes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pickling_keeps_the_signal(number: signal.Signals) -> None:
    """Terminated survives pickling with its exit code and text."""
    arrived = pickle.loads(pickle.dumps(Terminated(number)))  # noqa: S301 - our own bytes

    assert type(arrived) is Terminated
    assert (arrived.exit_code, str(arrived)) == (128 + number, f"stopped by {number.name}")


def test_terminated_exits_as_a_shell_says_it() -> None:
    """Terminated exits with 128 plus the signal's number: 143 and 130, as drawn."""
    codes = [Terminated(number).exit_code for number in (signal.SIGTERM, signal.SIGINT)]

    assert drawn()["Terminated"] == (None, " or ".join(map(str, codes)))


def test_terminated_passes_an_except_exception() -> None:
    """No `except Exception` swallows the end of the process."""
    assert not issubclass(Terminated, Exception)


def test_as_dict_is_flat() -> None:
    """`as_dict` holds the class, the texts and whether a retry can help."""
    assert PushHookDeclined("refused", why="no", fix="ask").as_dict() == {
        "type": "PushHookDeclined",
        "what": "refused",
        "why": "no",
        "fix": "ask",
        "retryable": False,
    }
