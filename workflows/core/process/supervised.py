"""A child process with a log file, which other threads may stop: SIGTERM, then SIGKILL.

For programs that the operator chose (the Task Runner's map, the jobs of the Cloud Run stand-in).
Escaped descendants are not ended; `core.sandbox.run` does that.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.core import process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MAX_LOG_BYTES = 64 * 1024 * 1024
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class SupervisedEnd:
    """How a child ended. `exit_code` is negative for a signal, as in `subprocess`."""

    exit_code: int
    timed_out: bool
    stopped: bool


class StopRequest:
    """Stops a child from any thread, before it has started or while it runs.

    `grace_s` is the time in seconds from SIGTERM to SIGKILL.
    """

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self.asked = threading.Event()
        self._lock = threading.Lock()
        self._running: process.ProcessGroup | None = None
        self._killer: threading.Timer | None = None

    def ask(self) -> None:
        """Send SIGTERM now, and SIGKILL after `grace_s` seconds. Idempotent."""
        with self._lock:
            if self.asked.is_set():
                return
            self.asked.set()
            if self._running:
                self._begin(self._running)

    def started(self, running: process.ProcessGroup) -> None:
        """The child runs; stop it now if `ask` was called before."""
        with self._lock:
            self._running = running
            if self.asked.is_set():
                self._begin(running)

    def ended(self) -> None:
        """The child has ended; cancel the SIGKILL that may be due."""
        with self._lock:
            self._running = None
            if self._killer:
                self._killer.cancel()

    def _begin(self, running: process.ProcessGroup) -> None:
        running.signal(signal.SIGTERM)
        self._killer = threading.Timer(self.grace_s, running.signal, (signal.SIGKILL,))
        self._killer.daemon = True
        self._killer.start()


def run_supervised(  # noqa: PLR0913 - keyword-only options, as subprocess.run has them
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    log: Path,
    timeout_s: float | None,
    stop: StopRequest,
    on_start: Callable[[int], object] = lambda _: None,
) -> SupervisedEnd:
    """Run a program in `folder` to its end; its output is added to the file `log` (64 MiB at most).

    After `timeout_s` seconds it is stopped in the same way as by `stop`. `on_start` gets its pid.

    Raises:
        ProgramMissing: there is no such executable.
    """
    late = threading.Event()

    def time_out() -> None:
        late.set()
        stop.ask()

    timer = threading.Timer(timeout_s, time_out) if timeout_s is not None else None

    def begin(running: process.ProcessGroup) -> None:
        on_start(running.pid)
        stop.started(running)
        if timer:
            timer.daemon = True
            timer.start()

    number = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        ended = process.follow(
            args,
            env=env,
            timeout_s=_FOREVER,
            cwd=folder,
            stdin=None,
            on_output=_Bounded(number),
            on_end=lambda _: None,
            on_start=begin,
        )
    finally:
        if timer:
            timer.cancel()
        stop.ended()
        os.close(number)
    return SupervisedEnd(ended.exit_code, late.is_set(), stop.asked.is_set() and not late.is_set())


class _Bounded:
    """Writes at most `MAX_LOG_BYTES` to a file descriptor, then a note that the rest is missing."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._room = MAX_LOG_BYTES

    def __call__(self, chunk: bytes) -> None:
        if self._room <= 0:
            return
        os.write(self._number, chunk[: self._room])
        self._room -= len(chunk)
        if self._room <= 0:
            os.write(self._number, b"\n[the rest is left out]\n")


def log_tail(log: Path, size_bytes: int = 8 * 1024 * 1024) -> str:
    """The end of a log; empty where there is none."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - size_bytes, 0))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
