"""How much one issue and one person may start in a while, and what was seen already. Pure.

Functions have no state, so the store in memory bounds each instance on its own; a `RateStore` in
a database would bound them all. Neither is what keeps work from being done twice: that is the
flow's claim on the issue, and the run id that the trigger function derives from `dedupe_key`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workflows.trigger.webhook import Wanted

WINDOW_S = 3_600.0
_MOST_KEYS = 10_000


class RateStore(Protocol):
    """What was started lately. Times are Unix seconds."""

    def seen(self, key: str) -> bool:
        """Whether this event was let through before."""
        ...

    def count(self, key: str, *, since: float) -> int:
        """How often something was started under this key since then."""
        ...

    def add(self, event: str, keys: tuple[str, ...], *, now: float) -> None:
        """Note that this event was let through, under these keys."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may be started within an hour."""

    per_issue: int = 6
    per_user: int = 30


def decide(wanted: Wanted, store: RateStore, limits: Limits, *, now: float) -> str | None:
    """Why `wanted` must not be started now; None if it may. Changes nothing in the store."""
    if store.seen(wanted.dedupe_key):
        return "this event was let through before"
    since = now - WINDOW_S
    if store.count(_issue(wanted), since=since) >= limits.per_issue:
        return f"issue {wanted.issue} was started {limits.per_issue} times within an hour"
    if store.count(_user(wanted), since=since) >= limits.per_user:
        return f"user {wanted.user} started {limits.per_user} runs within an hour"
    return None


def note(wanted: Wanted, store: RateStore, *, now: float) -> None:
    """Remember that `wanted` was started; only once it was, or a second try would be refused."""
    store.add(wanted.dedupe_key, (_issue(wanted), _user(wanted)), now=now)


def _issue(wanted: Wanted) -> str:
    return f"issue:{wanted.issue}"


def _user(wanted: Wanted) -> str:
    return f"user:{wanted.user}"


@dataclass
class MemoryStore:
    """What this process let through, bounded; safe for threads."""

    most_keys: int = _MOST_KEYS
    _times: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _events: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, key: str) -> bool:
        """Whether this event was let through before."""
        with self._lock:
            return key in self._events

    def count(self, key: str, *, since: float) -> int:
        """How often something was started under this key since then."""
        with self._lock:
            times = self._times.get(key, deque())
            while times and times[0] < since:
                times.popleft()
            return len(times)

    def add(self, event: str, keys: tuple[str, ...], *, now: float) -> None:
        """Note that this event was let through; the oldest are forgotten first."""
        with self._lock:
            self._events[event] = None
            for key in keys:
                self._times.setdefault(key, deque()).append(now)
                self._times.move_to_end(key)
            while len(self._events) > self.most_keys:
                self._events.popitem(last=False)
            while len(self._times) > self.most_keys:
                self._times.popitem(last=False)
