"""How often an issue and a user may start work within an hour, and which events came before. Pure.

The store in memory limits each instance of the function by itself; a `RateStore` in a database
would limit them together. It does not stop work being done twice. The claim on the issue and the
run id, which the trigger function derives from `dedupe_key`, do.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workflows.trigger.webhook import Wanted

WINDOW_S = 3_600.0
_MOST_KEYS = 10_000


class RateStore(Protocol):
    """Recent starts. Times are in seconds since 1970."""

    def seen(self, key: str) -> bool:
        """Whether this event was let through before."""
        ...

    def take(self, most: Mapping[str, int], *, since: float, now: float) -> str | None:
        """Count one start under every key; or count none, and return the key that is at its limit.

        Checking and counting are atomic.
        """
        ...

    def give_back(self, keys: Iterable[str], *, at: float) -> None:
        """Undo what was taken at this time."""
        ...

    def note(self, event: str) -> None:
        """Remember that this event was let through."""
        ...


@dataclass(frozen=True, slots=True)
class StartLimits:
    """The most that may be started within an hour."""

    per_issue: int = 6
    per_user: int = 30


def count_start(wanted: Wanted, store: RateStore, limits: StartLimits, *, now: float) -> str | None:
    """Why `wanted` must not be started now; None if it may, and then it counts.

    Afterwards call `note_start`, or `give_back_start` with the same `now` if nothing was started.
    """
    if store.seen(wanted.dedupe_key):
        return "this event was let through before"
    most = {_issue(wanted): limits.per_issue, _user(wanted): limits.per_user}
    full = store.take(most, since=now - WINDOW_S, now=now)
    if full == _issue(wanted):
        return f"issue {wanted.issue} was started {limits.per_issue} times within an hour"
    if full == _user(wanted):
        return f"user {wanted.user} started {limits.per_user} runs within an hour"
    return None


def note_start(wanted: Wanted, store: RateStore) -> None:
    """Remember the event of `wanted`, after its start: it is refused from then on."""
    store.note(wanted.dedupe_key)


def give_back_start(wanted: Wanted, store: RateStore, *, now: float) -> None:
    """Undo `count_start`: nothing was started."""
    store.give_back((_issue(wanted), _user(wanted)), at=now)


def _issue(wanted: Wanted) -> str:
    return f"issue:{wanted.issue}"


def _user(wanted: Wanted) -> str:
    return f"user:{wanted.user}"


@dataclass
class MemoryStore:
    """A bounded store in this process; safe for threads."""

    most_keys: int = _MOST_KEYS
    _times: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _events: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, key: str) -> bool:
        """Whether this event was let through before."""
        with self._lock:
            return key in self._events

    def take(self, most: Mapping[str, int], *, since: float, now: float) -> str | None:
        """Count one start under every key, or return the key that is at its limit."""
        with self._lock:
            for key, limit in most.items():
                times = self._times.get(key, deque())
                while times and times[0] < since:
                    times.popleft()
                if len(times) >= limit:
                    return key
            for key in most:
                self._times.setdefault(key, deque()).append(now)
                self._times.move_to_end(key)
            while len(self._times) > self.most_keys:
                self._times.popitem(last=False)
        return None

    def give_back(self, keys: Iterable[str], *, at: float) -> None:
        """Undo what was taken at this time."""
        with self._lock:
            for key in keys:
                with suppress(KeyError, ValueError):  # forgotten meanwhile
                    self._times[key].remove(at)

    def note(self, event: str) -> None:
        """Remember that this event was let through; the oldest are forgotten first."""
        with self._lock:
            self._events[event] = None
            while len(self._events) > self.most_keys:
                self._events.popitem(last=False)
