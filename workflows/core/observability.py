"""Logs: text for people, one JSON object a line for Cloud Logging. Every line is redacted.

`configure_logs` is called once, by the command line (or by a flow that Prefect started).
The JSON fields follow https://cloud.google.com/logging/docs/structured-logging.
"""

from __future__ import annotations

import contextvars
import json
import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from workflows.core.config import environment
from workflows.core.redaction import redact, remember

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.core.config.settings import Settings

LOGGER_NAME = "workflows"
_SEVERITY = {"CRITICAL": "CRITICAL", "ERROR": "ERROR", "WARNING": "WARNING", "INFO": "INFO"}

_context: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar(
    "log_context", default=None
)


def logger(name: str = "") -> logging.Logger:
    """A logger below `workflows`."""
    return logging.getLogger(f"{LOGGER_NAME}.{name}" if name else LOGGER_NAME)


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Add fields (run_id, flow, step) to every log line written inside the block."""
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def current_context() -> dict[str, str]:
    """The fields of the innermost `log_context` blocks."""
    return dict(_context.get() or {})


class TextFormatter(logging.Formatter):
    """`12:03:04 INFO clone repository: 0.2 s`; the step comes first where one is running."""

    def format(self, record: logging.LogRecord) -> str:
        """One redacted line, or more where the message or a traceback has more."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        step = (_context.get() or {}).get("step", "")
        place = f"{step}: " if step else ""
        text = f"{clock} {record.levelname:<7} {place}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return redact(text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: severity, time, message, logger, run_id, flow, step."""

    def format(self, record: logging.LogRecord) -> str:
        """A single line; line ends inside the message are escaped by JSON."""
        entry: dict[str, str] = {
            "severity": _SEVERITY.get(record.levelname, "DEBUG"),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "message": redact(record.getMessage()),
            "logger": record.name,
        }
        entry.update((key, redact(value)) for key, value in current_context().items())
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at that moment: a live display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Foreign(logging.Filter):
    """Warnings and worse of other libraries, as warnings: only we know what is an error here."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return record.levelno >= logging.WARNING


def adopt(*names: str) -> None:
    """Send what other libraries log (by logger name, "" is the root) through our own handler."""
    for theirs in map(logging.getLogger, names):
        for handler in logger().handlers:
            if isinstance(handler, _StderrHandler):
                adopted = _StderrHandler()
                adopted.setFormatter(handler.formatter)
                adopted.setLevel(handler.level)
                adopted.addFilter(_Foreign())
                theirs.handlers[:] = [adopted]


def configure_logs(settings: Settings, *, quiet: bool = False, brief: bool = False) -> None:
    """Send logs of `workflows` to stderr and teach the redactor every secret.

    Calling it again replaces the earlier configuration. With `quiet` only errors are written;
    with `brief` warnings too (something else shows the steps). Handlers that are added to the
    logger later get every line of the settings' level all the same.
    """
    remember([*settings.secrets(), *environment.values_named_as_secrets()])
    handler = _to_stderr(settings.log_level.value, as_json=settings.json_logs)
    if quiet:
        handler.setLevel(logging.ERROR)
    elif brief:
        handler.setLevel(logging.WARNING)


def _to_stderr(level: str, *, as_json: bool) -> logging.Handler:
    """The one handler of our logger, made anew."""
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    ours = logger()
    ours.handlers[:] = [handler]
    ours.propagate = False
    ours.setLevel(level)
    return handler
