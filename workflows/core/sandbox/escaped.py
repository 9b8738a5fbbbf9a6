"""Ends the descendants of an untrusted program that escaped (setsid, double fork, a daemon).

On Linux no descendant is lost: an orphan becomes our child. A process that left its session cannot
join another one. So any descendant outside our session and outside the sessions of the children of
`core.process` has escaped. On other systems there is only the process group, which `core.process`
ends.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.process import kernel
from workflows.core.process.deferred_signals import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

_END_S = 2.0  # this plus the time after SIGTERM must stay below signals.CLEAN_UP_S
_PAUSE_S = 0.0005


class EscapedDescendants:
    """The processes that one untrusted run may leave running.

    Not among them, each with its descendants: processes that ran before, those of our session
    (what a library starts), and children of `core.process`. A daemon that such a child starts
    during the run is taken for an escaped descendant.
    """

    def __init__(self) -> None:
        self._before = {(entry.pid, entry.started) for entry in kernel.descendants()}
        self._session = os.getsid(0)

    def end(self, leader: int = 0) -> int:
        """SIGKILL all of them, repeatedly, until there is none. How many are left after 2 s.

        `leader` is the pid of the program itself if it has not been reaped yet: its owner reaps
        it. Some are left if one runs as another user, or if they multiply too fast.
        """
        with deferred_signals():
            deadline = time.monotonic() + _END_S
            seen: set[int] = set()
            unrelated: set[int] = set()
            while True:
                all_were_read = not unrelated
                escaped = self._end_once(leader, unrelated)
                if not escaped and all_were_read:
                    return 0
                if time.monotonic() > deadline:
                    return len(escaped)
                if not escaped:
                    unrelated.clear()
                elif escaped <= seen:  # only dying ones; a new one is killed without a pause
                    time.sleep(_PAUSE_S)
                seen |= escaped

    def _end_once(self, leader: int, unrelated: set[int]) -> set[int]:
        """Kill and reap those that run now. The pids of all that were found."""
        with process.child_groups.starts_paused() as groups:
            sessions = (groups - {leader}) | {self._session}

            def is_excluded(entry: kernel.ProcessEntry) -> bool:
                return entry.session in sessions or (entry.pid, entry.started) in self._before

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
    """Descendants that escape inside the block are ended after it, however it ends."""
    with kernel.adopting_orphans():
        escaped = EscapedDescendants()
        try:
            yield escaped
        finally:
            try:
                escaped.end()
            finally:  # a signal may have been raised just before signals were deferred
                escaped.end()
