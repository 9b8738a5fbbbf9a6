"""Which process groups are the children of `core.process`, and when none is being started.

A child exists a moment before anybody knows its number. Whoever looks for processes that nobody
started on purpose (`core.sandbox.escaped`) must not look in that moment.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAIT_S = 0.5  # a start takes milliseconds; whoever waits may be ending this process


class ChildGroups:
    """The groups alive; each leads a session of the same number. Safe to use from threads."""

    def __init__(self) -> None:
        self.alive: set[int] = set()
        self._starting = 0
        self._changed = threading.Condition()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """A child is started in the block, and put into `alive` before it ends."""
        with self._changed:
            self._starting += 1
        try:
            yield
        finally:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()

    @contextmanager
    def starts_paused(self) -> Iterator[frozenset[int]]:
        """The groups alive; none is started while the block lasts, so keep it short."""
        with self._changed:
            self._changed.wait_for(lambda: self._starting == 0, timeout=_WAIT_S)
            yield frozenset(self.alive)
