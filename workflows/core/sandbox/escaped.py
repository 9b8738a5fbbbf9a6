"""Ends the descendants of an untrusted program that escaped (setsid, double fork, a daemon).

On Linux nothing that descends from us escapes: orphans become our children, and a session, once
left, cannot be joined by others, so our own session and those of `core.process`'s children tell
who is not a stray. Elsewhere there is only the process group, which `core.process` ends.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.process import kernel
from workflows.core.process.held_signals import HeldSignals

if TYPE_CHECKING:
    from collections.abc import Iterator

_END_S = 2.0  # with the grace for SIGTERM, less than the 3.5 s after which our end is forced
_PAUSE_S = 0.0005


class EscapedDescendants:
    """What one untrusted run may leave behind.

    Spared with all below them: processes that were there before, those of our session (what a
    library starts), and children of `core.process`. A daemon that one of the latter starts during
    the run is taken for a stray.
    """

    def __init__(self) -> None:
        self._before = {(entry.pid, entry.started) for entry in kernel.descendants()}
        self._session = os.getsid(0)

    def end(self, leader: int = 0) -> int:
        """SIGKILL all of them, again and again until there is none. How many are left after 2 s.

        `leader` is the program itself where it has not been reaped yet: it is left for its owner
        to reap. Some may be left where one runs as another user or multiplies too fast.
        """
        held = HeldSignals()
        try:
            deadline = time.monotonic() + _END_S
            seen: set[int] = set()
            unrelated: set[int] = set()
            while True:
                proof = not unrelated
                escaped = self._end_once(leader, unrelated)
                if not escaped and proof:
                    return 0
                if time.monotonic() > deadline:
                    return len(escaped)
                if not escaped:
                    unrelated.clear()
                elif escaped <= seen:  # they are dying; a new one is chased without a pause
                    time.sleep(_PAUSE_S)
                seen |= escaped
        finally:
            held.release()

    def _end_once(self, leader: int, unrelated: set[int]) -> set[int]:
        """Kill and reap what there is now. The numbers of all that was seen."""
        with process.child_groups.starts_paused() as groups:
            others = groups - {leader}

            def is_excluded(entry: kernel.ProcessEntry) -> bool:
                return (
                    entry.session == self._session
                    or entry.session in others
                    or (entry.pid, entry.started) in self._before
                )

            below = kernel.descendants(is_excluded, unrelated)
            found = [entry for entry in below if entry.pid != leader]
            for entry in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(entry.pid, signal.SIGKILL)
                if entry.parent == os.getpid():
                    with suppress(ChildProcessError):
                        os.waitpid(entry.pid, os.WNOHANG)
            return {entry.pid for entry in found}


@contextmanager
def no_escaped_descendants() -> Iterator[EscapedDescendants]:
    """What escaped in the block is ended after it, however it ends."""
    with kernel.adopting_orphans():
        escaped = EscapedDescendants()
        try:
            yield escaped
        finally:
            try:
                escaped.end()
            finally:  # a signal may have raised just before it was held
                escaped.end()
