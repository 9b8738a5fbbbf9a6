"""A second processor for a moment: work in a fork of this process.

Unlike a child of `core.process` it runs no other program: it sees memory as it was, gives bytes
back, and is gone. What another thread had in its hands would stay there in a fork for ever, so
beside threads of any other kind than `WaitingThread` nothing is forked.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from workflows.core.process.held_signals import HeldSignals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_THREADS = Path("/proc/self/task")  # those of libraries, too, which `threading` does not know
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class WaitingThread(threading.Thread):
    """A thread that waits in the kernel all the time, and holds no lock meanwhile."""


class Fork:
    """One piece of work that is done elsewhere."""

    def __init__(self) -> None:
        self._pid = 0
        self._file = -1

    def begin(self, work: Callable[[], bytes]) -> None:
        """Fork, where that can be done; `end` is to be called in any case."""
        if not _is_safe():
            return
        held = HeldSignals()
        try:
            with suppress(OSError):  # no memory, or no more processes: no fork
                self._file = os.memfd_create("work")
                # for the fork: its first signals are not to be told to our handlers' pipe
                before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
                try:
                    self._pid = _forked()
                    if not self._pid:
                        _carry_out(work, self._file)
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
        finally:
            held.release()

    def result(self) -> bytes | None:
        """Wait for the end of the work.

        None where it was not done: there could be no fork, it was killed, or `work` raised.
        Whoever asked for it does it himself then, and meets what was raised.
        """
        if not self._pid:
            return None
        # it is reaped in `end`: a handler may raise as soon as this returns
        ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        if ended is None or (ended.si_code, ended.si_status) != (os.CLD_EXITED, 0):
            return None
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def end(self) -> None:
        """Nobody wants the result any more."""
        held = HeldSignals()  # half of this would leave a number that is somebody else's next
        try:
            if self._pid:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                self._pid = 0
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
        finally:
            held.release()


@contextmanager
def beside(work: Callable[[], bytes]) -> Iterator[Fork]:
    """Do `work` on another processor while the block goes on here; it is over when the block is.

    `work` may compute, and nothing else: what it does to memory is lost, files and sockets are
    shared with this process. It prints nothing, not even that it failed.
    """
    fork = Fork()
    try:
        fork.begin(work)
        yield fork
    finally:
        fork.end()


def _is_safe() -> bool:
    """Whether nobody else in this process could hold something that the fork needs."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):  # a Python for an old glibc
        return False
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # nobody could wait for the fork
        return False
    try:
        threads = len(list(_THREADS.iterdir()))
    except OSError:  # not mounted
        return False
    known = threading.enumerate()
    others = [one for one in known if one is not threading.current_thread()]
    waiting = all(isinstance(one, WaitingThread) for one in others)
    return waiting and threads == len(known)


def _forked() -> int:
    with warnings.catch_warnings():  # of threads, which Python counts from 3.12 on
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _carry_out(work: Callable[[], bytes], number: int) -> NoReturn:
    """The fork's whole life. SIGTERM and SIGINT end it, and reach no handler of this program."""
    code = 1
    try:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        with open(number, "wb", closefd=False) as file:
            file.write(work())
        code = 0
    finally:
        os._exit(code)
