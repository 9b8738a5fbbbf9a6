"""The process groups of the children of `core.process`.

A child runs for a moment before its number is noted. `core.sandbox.escaped`, which ends processes
that are not in these groups, must not look in that moment; `starts_paused` prevents it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAIT_S = 0.5  # a start takes milliseconds; the caller may be about to end this process


class ChildGroups:
    """The groups that run; each is also a session of the same number. Safe to use from threads."""

    def __init__(self) -> None:
        self.alive: set[int] = set()
        self._starting = 0
        self._changed = threading.Condition()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Around the start of a child, which is added to `alive` inside the block."""
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
        """The groups that run. No child can be started inside the block, so keep it short."""
        with self._changed:
            self._changed.wait_for(lambda: self._starting == 0, timeout=_WAIT_S)
            yield frozenset(self.alive)
