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
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.errors import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

CLEAN_UP_S = 4.0  # from the signal to the forced end; Cloud Run and our promise leave 5 s
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_last_acts: list[Callable[[], None]] = []


@contextmanager
def last_act(act: Callable[[], None]) -> Iterator[None]:
    """Have `act` called if the process is forced to end inside the block."""
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


def force_exit(exit_code: int) -> None:
    """End this process now: children killed, last acts done, no `finally`, no atexit."""
    process.kill_all()
    for act in reversed(_last_acts):
        act()
    os._exit(exit_code)


def force_exit_after(seconds: float, exit_code: Callable[[], int]) -> threading.Timer:
    """Start a timer that ends the process; cancel it when the end came by itself."""
    timer = threading.Timer(seconds, lambda: force_exit(exit_code()))
    timer.daemon = True
    timer.start()
    return timer


@contextmanager
def terminable(exit_code: Callable[[int], int] = lambda number: 128 + number) -> Iterator[None]:
    """Inside the block the first SIGTERM or SIGINT raises `Terminated`; later ones are ignored.

    `exit_code` turns the signal's number into the code of a forced end, `CLEAN_UP_S` seconds
    after the signal. Main thread only.
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
    threading.Thread(target=_watch, args=(reader, exit_code), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_before)
        os.close(writer)  # ends the thread
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(reader: int, exit_code: Callable[[int], int]) -> None:
    """Start the clock at the first signal of ours; end when the pipe is closed."""
    started = False
    while numbers := os.read(reader, 64):
        for number in numbers:
            if number in _SIGNALS and not started:
                started = True
                force_exit_after(CLEAN_UP_S, lambda n=number: exit_code(n))  # type: ignore[misc]
    os.close(reader)
