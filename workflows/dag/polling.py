"""When to look at which job. Pure: the clock's time is given in, jobs are the steps' numbers.

Measured best (docs/decisions/0011-dag-polling.md): look every half of a typical job's time, first
after that, and closely only at jobs that somebody waits for (`watching.py`); the others are
looked at `SLOW` times more rarely, which bounds how late a failure among them is seen. What is
typical is learned from the jobs of the same image in this run, and from earlier runs.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

SLOW = 4.0
BASE_S = 1.0
_PROBE_S = 0.002  # before anything is known one job is looked at, at ages growing from here
_PROBE_GROWTH = 1.5
_NO_TIME_S = 0.05  # no container is that quick; the time of a request is in it
_OVERDUE = 16.0  # a job much older than the typical one is looked at every 1/16 of its age
_SAMPLE = 101
_EARLY = 0.95  # of the time a step took in earlier runs: when to look first


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks: `base_s` before anything is known, `fixed_s` whatever is known."""

    base_s: float = BASE_S
    fixed_s: float | None = None
    floor_s: float = 0.0
    ceiling_s: float = 30.0


class _Typical:
    """The median of the last `_SAMPLE` durations of a kind of job."""

    def __init__(self) -> None:
        self._last: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, duration_s: float) -> None:
        if len(self._last) == _SAMPLE:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]
        self._last.append(duration_s)
        insort(self._sorted, duration_s)

    @property
    def known(self) -> bool:
        return bool(self._sorted)

    @property
    def median_s(self) -> float:
        return self._sorted[len(self._sorted) // 2]


@dataclass(slots=True, eq=False)
class _Running:
    started: float
    kind: _Typical
    expected_s: float | None
    watched: bool
    probe: bool
    alive: float  # when it was last seen not to have ended
    next_at: float = 0.0
    looking: bool = False


class Poller:
    """The running jobs and when each is to be looked at next."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._jobs: dict[int, _Running] = {}
        self._heap: list[tuple[float, int]] = []
        self._kinds: dict[Hashable, _Typical] = {}
        self._hurried = False
        self._last_now = 0.0

    def at_once(self, kind: Hashable) -> bool:
        """Whether a job of this kind is worth a look as soon as it is submitted.

        It is while such jobs take next to no time, and for the first of a kind: the probe.
        """
        if self._pace.fixed_s is not None:
            return False
        typical = self._kinds.get(kind)
        if typical is None:
            self._kinds[kind] = _Typical()
            return True
        return typical.known and typical.median_s < _NO_TIME_S and not self._pace.floor_s

    def learn(self, kind: Hashable, duration_s: float) -> None:
        """A job of this kind, not known here, took this long."""
        typical = self._kinds[kind]
        first = not typical.known
        typical.add(duration_s)
        if first and self._jobs:
            self._faster(typical, self._last_now)

    def started(  # noqa: PLR0913 - options are keyword-only
        self,
        job: int,
        began: float,
        now: float,
        *,
        kind: Hashable,
        expected_s: float | None = None,
        watched: bool = True,
        probe: bool = False,
    ) -> None:
        """A job runs since `began`; if that is not `now` it was looked at meanwhile."""
        typical = self._kinds.get(kind)
        if typical is None:
            typical = self._kinds[kind] = _Typical()
        self._last_now = now
        running = _Running(began, typical, expected_s, watched, probe, now)
        self._jobs[job] = running
        at = now + self._interval(running, now)
        if expected_s is not None and self._pace.fixed_s is None:
            at = max(began + expected_s * _EARLY, now + self._pace.floor_s)
        self._plan(job, running, at)

    def next_at(self) -> float | None:
        """When the next look is due; None where nothing is to be looked at."""
        heap = self._heap
        while heap:
            at, job = heap[0]
            running = self._jobs.get(job)
            if running is not None and running.next_at == at and not running.looking:
                return at
            heapq.heappop(heap)
        return None

    def take(self, now: float) -> int | None:
        """A job that is due, the one that is due for longest; to be answered by alive or ended."""
        at = self.next_at()
        if at is None or at > now:
            return None
        job = heapq.heappop(self._heap)[1]
        self._jobs[job].looking = True
        return job

    def alive(self, job: int, now: float) -> None:
        """A look has found that the job has not ended."""
        running = self._jobs[job]
        running.alive = now
        running.looking = False
        self._plan(job, running, now + self._interval(running, now))

    def ended(self, job: int, now: float) -> float:
        """A job has ended; the answer is how long it took, as well as can be known, in seconds."""
        running = self._jobs.pop(job)
        took_s = (running.alive + now) / 2 - running.started
        kind = running.kind
        before_s = 2 * self._pace.base_s if not kind.known else kind.median_s
        kind.add(took_s)
        if kind.median_s < before_s / 2:
            self._faster(kind, now)
        return took_s

    def gone(self, job: int) -> None:
        """A job is not looked at any more (a long poll holds it, or it is given up)."""
        self._jobs.pop(job, None)

    def watch(self, job: int, now: float, *, look: bool = False) -> None:
        """Somebody waits for this job now; with `look` it is to be looked at once."""
        running = self._jobs.get(job)
        if running is None:
            return
        running.watched = True
        if running.looking:
            return
        since = max(running.alive, running.started)
        at = now if look else max(now, since + self._interval(running, now))
        if at < running.next_at and not (self._early(running, at) and not look):
            self._plan(job, running, at)

    def unwatch(self, job: int) -> None:
        """Nobody waits for this job any more, for now; its next look stays where it is."""
        running = self._jobs.get(job)
        if running is not None:
            running.watched = False

    def hurry(self, now: float) -> None:
        """From now on all jobs are waited for: every end makes room for the next."""
        if not self._hurried:
            self._hurried = True
            for job in self._jobs:
                self.watch(job, now)

    @staticmethod
    def _early(running: _Running, at: float) -> bool:
        """Before the time the step took earlier: not worth a look."""
        expected_s = running.expected_s
        return expected_s is not None and at < running.started + expected_s * _EARLY

    def _plan(self, job: int, running: _Running, at: float) -> None:
        running.next_at = at
        heapq.heappush(self._heap, (at, job))

    def _interval(self, running: _Running, now: float) -> float:
        """Seconds from one look at this job to the next."""
        pace = self._pace
        if pace.fixed_s is not None:
            return pace.fixed_s
        age_s = now - running.started
        if running.kind.known:
            wait_s = running.kind.median_s / 2
            wait_s = max(wait_s, min(age_s / _OVERDUE, pace.base_s))
        elif running.probe:
            wait_s = min(max(age_s * (_PROBE_GROWTH - 1), _PROBE_S), pace.base_s)
        else:
            wait_s = pace.base_s
        if not (running.watched or self._hurried):
            wait_s *= SLOW
        return min(max(wait_s, pace.floor_s), pace.ceiling_s)

    def _faster(self, kind: _Typical, now: float) -> None:
        """The typical job is shorter than was thought: bring forward what is due too late."""
        for job, running in self._jobs.items():
            if running.kind is kind and not running.looking:
                at = max(now, running.alive + self._interval(running, now))
                if at < running.next_at and not self._early(running, at):
                    self._plan(job, running, at)
