"""SIGTERM and SIGINT as one exception in the main thread, and a bound on how long the end takes.

Cloud Run sends SIGTERM and kills 10 s later; people press Ctrl-C. Both raise `Terminated` once,
so that `finally` blocks run. A thread woken by the signal itself (`signal.set_wakeup_fd`, which
works whatever handler a library installs meanwhile) ends the process if cleaning up takes too
long.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.errors import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

CLEAN_UP_S = 3.5  # from the signal to the forced end; Cloud Run and our promise leave 5 s
_EXIT_CODE_S = 0.5  # for `exit_code`, which may print the outcome
_BEFORE_EXIT_S = 0.7  # for removing scratch folders
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_before_exit: list[Callable[[], object]] = []
_forced: list[Callable[[int], int]] = []


@contextmanager
def before_forced_exit(action: Callable[[], object]) -> Iterator[None]:
    """Have `action` called if the process is forced to end inside the block."""
    _before_exit.append(action)
    try:
        yield
    finally:
        _before_exit.remove(action)


def force_exit(exit_code: int) -> None:
    """End this process now: kill children and call what `before_forced_exit` was given.

    No `finally` block and no atexit function runs.
    """
    try:
        process.kill_all()
        acting = threading.Thread(target=_run_actions, daemon=True)
        acting.start()
        acting.join(_BEFORE_EXIT_S)
    finally:
        os._exit(exit_code)


def _run_actions() -> None:
    for action in reversed(_before_exit):
        with suppress(Exception):
            action()


def force_exit_after(seconds: float, exit_code: Callable[[], int], default: int) -> None:
    """End the process in `seconds`, unless it has ended by itself.

    `exit_code` may print and gets half a second, because a pipe may be full; if it fails or takes
    longer, the exit code is `default`.
    """

    def end() -> None:
        answer = [default]
        asking = threading.Thread(target=lambda: answer.append(exit_code()), daemon=True)
        asking.start()
        asking.join(_EXIT_CODE_S)
        force_exit(answer[-1])

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


@contextmanager
def forced_exit_code(exit_code: Callable[[int], int]) -> Iterator[None]:
    """Inside the block `exit_code` turns a signal's number into the code of a forced end."""
    _forced.append(exit_code)
    try:
        yield
    finally:
        _forced.remove(exit_code)


def ignore_signals() -> None:
    """From now on neither signal changes how this process ends."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def terminable() -> Iterator[None]:
    """Inside the block the first SIGTERM or SIGINT raises `Terminated`; later ones do nothing.

    The process ends by force `CLEAN_UP_S` seconds after the signal. Main thread only.
    """
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if not seen:
            seen.append(number)
            raise Terminated(number)

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_before)
        os.close(writer)  # ends the thread
        for number, handler in before.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)


def _watch(reader: int) -> None:
    """Start the clock at the first signal of ours; end when the pipe is closed."""
    started = False
    while numbers := os.read(reader, 64):
        for number in numbers:
            if number in _SIGNALS and not started:
                started = True
                ask = _forced[-1] if _forced else _usual
                force_exit_after(CLEAN_UP_S, partial(ask, number), _usual(number))
    os.close(reader)


def _usual(number: int) -> int:
    return 128 + number
