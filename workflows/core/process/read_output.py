"""Reads the output of a child process, and writes its input, until the child has ended.

It starts and ends no process; `core.process.starting` reaps the child.
"""

from __future__ import annotations

import os
import selectors
import time
from typing import IO, TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DRAIN_S = 1.0  # how long an escaped descendant may hold the pipes after the child has ended
_POLL_S = 0.05  # how often to ask whether the child has ended where there is no pidfd (macOS)
_LONGEST_WAIT_S = 3600.0
_CHUNK = 65_536


class Child(Protocol):
    """The part of `subprocess.Popen` that is used here."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None


def read_output(
    child: Child,
    sinks: Mapping[str, Callable[[bytes], object]],
    stdin: bytes | None,
    deadline: float,
    on_end: Callable[[], object],
) -> bool:
    """Write `stdin` and read, until the child has ended and its pipes are drained.

    False if `deadline`, a time of the monotonic clock in seconds, came first. `sinks` names the
    pipes to read ("stdout", "stderr"). `on_end` is called once, when the child has ended and before
    it is reaped; processes that still hold its pipes then have one second to close them.
    """
    with _Pipes(child, sinks, stdin) as pipes:
        ended = False
        while pipes.are_open() or not ended:  # output may be closed before the end
            now = time.monotonic()
            if now >= deadline:
                return ended
            pipes.move(deadline - now, wakes_up=ended)
            if not ended and _has_ended(child):
                ended = True
                on_end()
                deadline = min(deadline, time.monotonic() + _DRAIN_S)
    return True


class _Pipes:
    """The pipes of one child in a selector, which also wakes up when the child ends (Linux)."""

    def __init__(
        self, child: Child, sinks: Mapping[str, Callable[[bytes], object]], stdin: bytes | None
    ) -> None:
        self._sinks = sinks
        self._pending = memoryview(stdin or b"")
        self._selector = selectors.DefaultSelector()
        for name in sinks:
            self._selector.register(getattr(child, name), selectors.EVENT_READ, name)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            self._selector.register(child.stdin, selectors.EVENT_WRITE, "stdin")
        self._pidfd: int | None = None
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(child.pid)
            self._selector.register(self._pidfd, selectors.EVENT_READ, "end")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        if self._pidfd is not None:
            os.close(self._pidfd)

    def are_open(self) -> bool:
        """Whether there is something left to wait for."""
        return bool(self._selector.get_map())

    def move(self, timeout_s: float, *, wakes_up: bool) -> None:
        """Wait until something can be read or written, and do that.

        `wakes_up` is false while the end of the child must be looked for: then the wait is short
        where no pidfd reports it.
        """
        longest = _LONGEST_WAIT_S if self._pidfd is not None or wakes_up else _POLL_S
        for key, _ in self._selector.select(min(timeout_s, longest)):
            if key.data == "end":
                self._selector.unregister(key.fd)
            elif key.data == "stdin":
                self._write(key)
            else:
                self._read(key)

    def _write(self, key: selectors.SelectorKey) -> None:
        """Write what fits; close the pipe when all is written or the child stopped reading."""
        try:
            written = os.write(key.fd, self._pending[:_CHUNK]) if self._pending else 0
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(self._pending)
        self._pending = self._pending[written:]
        if not self._pending:
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]

    def _read(self, key: selectors.SelectorKey) -> None:
        chunk = os.read(key.fd, _CHUNK)
        if chunk:
            self._sinks[key.data](chunk)
        else:
            self._selector.unregister(key.fileobj)


def _has_ended(child: Child) -> bool:
    """Whether the child has ended, without reaping it: its group id stays ours to signal."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None
