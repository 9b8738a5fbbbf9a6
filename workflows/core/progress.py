"""Progress as plain log lines: what a run looks like away from a terminal.

The step's name is in the log context, so the lines do not repeat it.
"""

from __future__ import annotations

from workflows.core.observability import logger

_log = logger("progress")


class LogReporter:
    """One line when a step starts (DEBUG) and one when it has ended, with its time."""

    def step_started(self, name: str) -> None:
        """Say at DEBUG that a step began; its end is the line people want."""
        _log.debug("started")

    def step_note(self, name: str, text: str) -> None:
        """Progress inside a step is DEBUG: a log is not a terminal."""
        _log.debug("%s", text)

    def step_ended(self, name: str, seconds: float, problem: str) -> None:
        """Say how long it took, or what went wrong (first line)."""
        if problem:
            _log.error("failed after %.2f s: %s", seconds, problem.splitlines()[0])
        else:
            _log.info("done in %.2f s", seconds)
