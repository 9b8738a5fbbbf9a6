"""When to look at which job. Pure: the clock's time is given in, jobs are the steps' numbers.

Measured best (docs/decisions/0010-dag-runs.md): look every quarter of a typical job's time,
first after that, more often where few jobs run, and closely only at jobs that somebody waits for
(`watching.py`) and that the end of the run may depend on; the others are looked at more rarely,
30 s after the last look at the latest. What is typical is learned from the jobs of the same image
in this run, and from earlier runs.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.dag.engine.duration_estimate import DurationEstimate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

SLOW = 3.0
"""How much more rarely a job is looked at that nobody waits for."""
BASE_S = 1.0
_PART = 0.25  # of a typical job's time, from one look to the next
_MANY = 16  # fewer jobs than that are looked at more often: each matters more, and costs less
_SLACK_PART = 0.5  # of it, for each level that the job is ahead of others
_MOST_LEVELS = 10
_PROBE_S = 0.002  # before anything is known one job is looked at, at ages growing from here
_PROBE_GROWTH = 1.5
_NO_TIME_S = 0.05  # no container is that quick; the time of a request is in it
_GUESSING = 16.0  # while little is known: no more often than every 1/16 of a job's age
_OVERDUE = 50.0  # a job much older than the typical one: every 1/50 of its age
_MUCH = 0.9  # shorter than was thought: plans are made anew
_EARLY = 0.95  # of the time a step took in earlier runs: when to look first


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between looks: `base_s` before anything is known, `fixed_s` whatever is known."""

    base_s: float = BASE_S
    fixed_s: float | None = None
    floor_s: float = 0.0
    ceiling_s: float = 30.0


@dataclass(slots=True, eq=False)
class _Running:
    started: float
    kind: DurationEstimate
    expected_s: float | None
    watched: bool
    probe: bool
    alive: float  # when it was last seen not to have ended
    next_at: float = 0.0
    looking: bool = False


class PollSchedule:
    """The running jobs and when each is to be looked at next.

    `ahead` says of a job how many levels of the graph it is ahead of the steps that the end of
    the run waits for longest.
    """

    def __init__(self, pace: PollIntervals, ahead: Callable[[int], int] = lambda _: 0) -> None:
        self._pace = pace
        self._no_time_s = 0.0 if pace.floor_s else _NO_TIME_S
        self._ahead = ahead
        self._all = DurationEstimate()
        self._jobs: dict[int, _Running] = {}
        self.planned: Collection[int] = self._jobs
        """The jobs that it plans looks for."""
        self._heap: list[tuple[float, int]] = []
        self._kinds: dict[Hashable, DurationEstimate] = {}
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
            self._kinds[kind] = DurationEstimate()
            return True
        median_s = typical.median_s
        return median_s is not None and median_s < self._no_time_s

    def learn(self, kind: Hashable, duration_s: float) -> None:
        """A job of this kind, not known here, had ended when it was looked at at once.

        So others that were started with it may have ended, too, though nobody has looked yet.
        """
        typical = self._kinds[kind]
        self._learn(typical, duration_s, self._last_now)
        if typical.median_s is None:
            typical.refit(())
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
            typical = self._kinds[kind] = DurationEstimate()
        self._last_now = now
        running = _Running(began, typical, expected_s, watched, probe, now)
        self._jobs[job] = running
        at = now + self._interval(job, running, now)
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
        self._plan(job, running, now + self._interval(job, running, now))

    def ended(self, job: int, now: float) -> float:
        """A job has ended; the answer is how long it took, as well as can be known, in seconds."""
        running = self._jobs.pop(job)
        took_s = (running.alive + now) / 2 - running.started
        self._learn(running.kind, took_s, now)
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
        at = now if look else max(now, since + self._interval(job, running, now))
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

    def _interval(self, job: int, running: _Running, now: float) -> float:
        """Seconds from one look at this job to the next."""
        pace = self._pace
        if pace.fixed_s is not None:
            return pace.fixed_s
        age_s = now - running.started
        median_s = running.kind.median_s
        if median_s is not None:
            few = min(1.0, math.sqrt(len(self._jobs) / _MANY))
            overdue = _OVERDUE if running.kind.sure else _GUESSING
            wait_s = max(median_s * _PART * few, age_s / overdue)
            if not self._hurried and median_s >= _NO_TIME_S:
                levels = min(self._ahead(job), _MOST_LEVELS)
                unit_s = min(median_s, self._all.median_s or median_s)
                wait_s = max(wait_s, levels * _SLACK_PART * unit_s)
        elif running.probe:
            wait_s = min(max(age_s * (_PROBE_GROWTH - 1), _PROBE_S), pace.base_s)
        else:
            wait_s = max(pace.base_s, age_s / _GUESSING)
        if not (running.watched or self._hurried):
            wait_s *= SLOW
        return min(max(wait_s, pace.floor_s), pace.ceiling_s)

    def _learn(self, kind: DurationEstimate, duration_s: float, now: float) -> None:
        """A job of this kind took this long: what is typical may be shorter than was thought."""
        if len(self._kinds) > 1 and self._all.add(duration_s):
            self._all.refit([now - one.started for one in self._jobs.values()])
        if not kind.add(duration_s):
            return
        before_s = kind.median_s
        kind.refit([now - one.started for one in self._jobs.values() if one.kind is kind])
        after_s = kind.median_s
        if after_s is not None and (before_s is None or after_s < before_s * _MUCH):
            self._faster(kind, now)

    def _faster(self, kind: DurationEstimate, now: float) -> None:
        """Bring forward what is due too late."""
        for job, running in self._jobs.items():
            if running.kind is kind and not running.looking:
                at = max(now, running.alive + self._interval(job, running, now))
                if at < running.next_at and not self._early(running, at):
                    self._plan(job, running, at)
