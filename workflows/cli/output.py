"""What the command prints: redacted, and JSON as one object a line.

A closed pipe, a full disk or a terminal that cannot show a character must not change the exit code
of work that is done; so what cannot be written is dropped.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from workflows.core.redaction import redact


def prepare_streams() -> None:
    """Make both streams writable whatever this process was started with."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with the descriptor closed
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def flush_streams() -> None:
    """Flush both streams; what cannot be written must not turn the exit code into 120."""
    for stream in (sys.stdout, sys.stderr):
        _attempt(stream, "")


def say(text: str) -> None:
    """Print to stdout what the command was asked for."""
    _line(sys.stdout, text)


def say_error(text: str) -> None:
    """Print an error to stderr."""
    _line(sys.stderr, redact(text))


def write_stderr(text: str) -> None:
    """Print a piece of a child's stderr to ours as it is; the child has redacted it."""
    _attempt(sys.stderr, text)


def say_json(facts: dict[str, Any]) -> None:
    """Print one JSON object as one line of ASCII; every text in it is redacted first."""
    _line(sys.stdout, json.dumps(_redacted(facts)))


def wants_json(words: list[str]) -> bool:
    """Whether the command line asks for JSON; looked at before it is parsed."""
    asked = [word.partition("=")[2].lower() for word in words if word.partition("=")[0] == "--json"]
    return bool(asked) and asked[-1] not in {"false", "no", "0", "off"}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    return value


def _line(stream: TextIO, text: str) -> None:
    _attempt(stream, text.removesuffix("\n") + "\n")


def _attempt(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        # Nobody can read it. Python must not report what is still buffered when it ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
