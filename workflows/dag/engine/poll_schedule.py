"""When to poll which job. Pure: callers pass the time; a job is named by its step's number.

This was the best in our measurements (docs/decisions/0010-dag-runs.md): poll a job every quarter of
the median duration of its kind, first after a quarter, and more often if few jobs run. Watch
targets (`watch_targets.py`) that the length of the run may depend on are polled closely, other jobs
more rarely, but at least every 30 s. Durations are learned from the jobs of the same image in this
run, and from earlier runs.
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
"""How many times longer the interval is for jobs that are no watch targets."""
BASE_S = 1.0
_PART = 0.25  # of the median duration, from one poll to the next
_MANY = 16  # if fewer jobs run, each is polled more often; all together still cost few requests
_SLACK_PART = 0.5  # of the median duration, for each level of slack
_MAX_LEVELS = 10
_PROBE_S = 0.002  # the first job of a kind is polled from this age on, while nothing is known
_PROBE_GROWTH = 1.5
_NO_TIME_S = 0.05  # jobs with a shorter median take next to no time; includes one request
_FEW_SAMPLES_PART = 16.0  # with few samples: at most every 1/16 of a job's age
_OVERDUE_PART = 50.0  # for a job much older than the median: every 1/50 of its age
_MUCH_SHORTER = 0.9  # if the median falls below this part of it, polls are planned again
_EARLY = 0.95  # of the time a step took in earlier runs: the first poll


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between polls: `base_s` while no duration is known; `fixed_s` always, if it is set.

    Otherwise the interval is between `floor_s` and `ceiling_s`.
    """

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
    alive: float  # when a poll last found it running
    next_at: float = 0.0
    polling: bool = False  # a poll is in flight


class PollSchedule:
    """The running jobs, and when each is polled next. All times are in seconds of one clock.

    `slack` gives the levels of slack of a job (`LevelSlack`).
    """

    def __init__(self, pace: PollIntervals, slack: Callable[[int], int] = lambda _: 0) -> None:
        self._pace = pace
        self._no_time_s = 0.0 if pace.floor_s else _NO_TIME_S
        self._slack = slack
        self._all = DurationEstimate()
        self._jobs: dict[int, _Running] = {}
        self.planned: Collection[int] = self._jobs
        """The jobs whose polls are planned here."""
        self._heap: list[tuple[float, int]] = []
        self._kinds: dict[Hashable, DurationEstimate] = {}
        self._all_watched = False
        self._last_now = 0.0

    def polls_at_once(self, kind: Hashable) -> bool:
        """Whether a job of this kind is polled as soon as it is submitted.

        It is, while such jobs take next to no time; and the first of a kind, to learn from it.
        """
        if self._pace.fixed_s is not None:
            return False
        estimate = self._kinds.get(kind)
        if estimate is None:
            self._kinds[kind] = DurationEstimate()
            return True
        median_s = estimate.median_s
        return median_s is not None and median_s < self._no_time_s

    def learn(self, kind: Hashable, duration_s: float) -> None:
        """A job of this kind had ended at its first poll, before any poll was planned for it.

        Jobs that were started with it may have ended too, so their polls may be due earlier.
        """
        estimate = self._kinds[kind]
        self._learn(estimate, duration_s, self._last_now)
        if estimate.median_s is None:
            estimate.refit(())
            self._plan_earlier(estimate, self._last_now)

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
        """Plan polls for a job that runs since `began`; if `now` is later, it was polled now."""
        estimate = self._kinds.get(kind)
        if estimate is None:
            estimate = self._kinds[kind] = DurationEstimate()
        self._last_now = now
        running = _Running(began, estimate, expected_s, watched, probe, now)
        self._jobs[job] = running
        at = now + self._interval(job, running, now)
        if expected_s is not None and self._pace.fixed_s is None:
            at = max(began + expected_s * _EARLY, now + self._pace.floor_s)
        self._plan(job, running, at)

    def next_at(self) -> float | None:
        """When the next poll is due; None if no poll is planned."""
        heap = self._heap
        while heap:
            at, job = heap[0]
            running = self._jobs.get(job)
            if running is not None and running.next_at == at and not running.polling:
                return at
            heapq.heappop(heap)
        return None

    def take(self, now: float) -> int | None:
        """The job that is due for longest, if any. Call `alive` or `ended` after its poll."""
        at = self.next_at()
        if at is None or at > now:
            return None
        job = heapq.heappop(self._heap)[1]
        self._jobs[job].polling = True
        return job

    def alive(self, job: int, now: float) -> None:
        """A poll has found the job running."""
        running = self._jobs[job]
        running.alive = now
        running.polling = False
        self._plan(job, running, now + self._interval(job, running, now))

    def ended(self, job: int, now: float) -> float:
        """A poll has found that the job has ended; how long it took, in seconds, estimated."""
        running = self._jobs.pop(job)
        took_s = (running.alive + now) / 2 - running.started
        self._learn(running.kind, took_s, now)
        return took_s

    def remove(self, job: int) -> None:
        """Plan no more polls for this job. Idempotent."""
        self._jobs.pop(job, None)

    def watch(self, job: int, now: float, *, poll: bool = False) -> None:
        """The job is a watch target from now on; with `poll` it is polled at once."""
        running = self._jobs.get(job)
        if running is None:
            return
        running.watched = True
        if running.polling:
            return
        since = max(running.alive, running.started)
        at = now if poll else max(now, since + self._interval(job, running, now))
        if at < running.next_at and not (self._early(running, at) and not poll):
            self._plan(job, running, at)

    def watch_all(self, now: float) -> None:
        """All jobs are polled like watch targets from now on. Idempotent."""
        if not self._all_watched:
            self._all_watched = True
            for job in self._jobs:
                self.watch(job, now)

    @staticmethod
    def _early(running: _Running, at: float) -> bool:
        """Whether it is before the end that earlier runs suggest: too early for a poll."""
        expected_s = running.expected_s
        return expected_s is not None and at < running.started + expected_s * _EARLY

    def _plan(self, job: int, running: _Running, at: float) -> None:
        running.next_at = at
        heapq.heappush(self._heap, (at, job))

    def _interval(self, job: int, running: _Running, now: float) -> float:
        """Seconds from one poll of this job to the next."""
        pace = self._pace
        if pace.fixed_s is not None:
            return pace.fixed_s
        age_s = now - running.started
        median_s = running.kind.median_s
        if median_s is not None:
            few = min(1.0, math.sqrt(len(self._jobs) / _MANY))
            overdue = _OVERDUE_PART if running.kind.has_enough_samples else _FEW_SAMPLES_PART
            wait_s = max(median_s * _PART * few, age_s / overdue)
            if not self._all_watched and median_s >= _NO_TIME_S:
                levels = min(self._slack(job), _MAX_LEVELS)
                unit_s = min(median_s, self._all.median_s or median_s)
                wait_s = max(wait_s, levels * _SLACK_PART * unit_s)
        elif running.probe:
            wait_s = min(max(age_s * (_PROBE_GROWTH - 1), _PROBE_S), pace.base_s)
        else:
            wait_s = max(pace.base_s, age_s / _FEW_SAMPLES_PART)
        if not (running.watched or self._all_watched):
            wait_s *= SLOW
        return min(max(wait_s, pace.floor_s), pace.ceiling_s)

    def _learn(self, kind: DurationEstimate, duration_s: float, now: float) -> None:
        """Add a duration to the estimates; a shorter median may make polls due earlier."""
        if len(self._kinds) > 1 and self._all.add(duration_s):
            self._all.refit([now - one.started for one in self._jobs.values()])
        if not kind.add(duration_s):
            return
        before_s = kind.median_s
        kind.refit([now - one.started for one in self._jobs.values() if one.kind is kind])
        after_s = kind.median_s
        if after_s is not None and (before_s is None or after_s < before_s * _MUCH_SHORTER):
            self._plan_earlier(kind, now)

    def _plan_earlier(self, kind: DurationEstimate, now: float) -> None:
        """Plan earlier polls for jobs of a kind whose median has become shorter."""
        for job, running in self._jobs.items():
            if running.kind is kind and not running.polling:
                at = max(now, running.alive + self._interval(job, running, now))
                if at < running.next_at and not self._early(running, at):
                    self._plan(job, running, at)
