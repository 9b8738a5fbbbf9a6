"""The pipes of a child that `core.process` started: bytes in, bytes out, until it has ended.

It starts and ends no process; what has ended is left for its owner to reap.
"""

from __future__ import annotations

import os
import selectors
import time
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DRAIN_S = 1.0  # how long an escaped grandchild may hold our pipes after its parent ended
_POLL_S = 0.05  # how often to look for the end of a child where there is no pidfd (macOS)
_CHUNK = 65_536


class Child(Protocol):
    """What of `subprocess.Popen` is needed here."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None


def pump(
    child: Child,
    sinks: Mapping[str, Callable[[bytes], object]],
    stdin: bytes | None,
    deadline: float,
    on_end: Callable[[], object],
) -> bool:
    """Move bytes until the child has ended and its pipes are drained. False: out of time.

    `sinks` names the pipes to read ("stdout", "stderr"). `deadline` is a time of the monotonic
    clock. `on_end` is called once when the child has ended; it is not reaped yet, and what still
    holds its pipes has a second to let go.
    """
    with selectors.DefaultSelector() as selector:
        for name in sinks:
            selector.register(getattr(child, name), selectors.EVENT_READ, name)
        pending = memoryview(stdin or b"")
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE, "stdin")
        pidfd = _watch_end(child, selector)
        try:
            ended = False
            while selector.get_map() or not ended:  # output may be closed before the end
                now = time.monotonic()
                if now >= deadline:
                    return ended
                wait = min(deadline - now, 3600 if pidfd is not None or ended else _POLL_S)
                for key, _ in selector.select(wait):
                    if key.data == "end":
                        selector.unregister(key.fd)
                    elif key.data == "stdin":
                        pending = _feed(selector, key, pending)
                    else:
                        _drain(selector, key, sinks[key.data])
                if not ended and _has_ended(child):
                    ended = True
                    on_end()
                    deadline = min(deadline, time.monotonic() + _DRAIN_S)
        finally:
            if pidfd is not None:
                os.close(pidfd)
    return True


def _watch_end(child: Child, selector: selectors.BaseSelector) -> int | None:
    """Let the selector wake up when the child ends, where the system can (Linux)."""
    if not hasattr(os, "pidfd_open"):
        return None
    pidfd = os.pidfd_open(child.pid)
    selector.register(pidfd, selectors.EVENT_READ, "end")
    return pidfd


def _has_ended(child: Child) -> bool:
    """Whether the child has ended, without reaping it: its group id stays ours to signal."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def _feed(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, pending: memoryview
) -> memoryview:
    """Write what fits; close the pipe when all is written or the child stopped reading."""
    try:
        written = os.write(key.fd, pending[:_CHUNK]) if pending else 0
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        written = len(pending)
    rest = pending[written:]
    if not rest:
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]
    return rest


def _drain(
    selector: selectors.BaseSelector,
    key: selectors.SelectorKey,
    sink: Callable[[bytes], object],
) -> None:
    chunk = os.read(key.fd, _CHUNK)
    if chunk:
        sink(chunk)
    else:
        selector.unregister(key.fileobj)
