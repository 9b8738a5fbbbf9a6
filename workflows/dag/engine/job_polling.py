"""Polls jobs until they have ended: long polls if the runner offers them, planned polls otherwise.

A job costs a task only while a request is in flight. One timer serves all planned polls: it is set
to the next one that the poll schedule wants. A job of an image whose jobs take next to no time is
polled as soon as it is submitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.errors import RequestRefused, ResourceNotFound
from workflows.dag.engine.poll_schedule import PollSchedule
from workflows.dag.engine.watch_targets import LevelSlack, WatchTargets
from workflows.dag.runner.protocol import JobState, RunnerJob

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable, Sequence

    from workflows.dag.engine.dependencies import RunContext

_MAX_UNKNOWN_POLLS = 3  # another instance of the runner may have made the job a moment ago


class JobPoller:
    """Polls the jobs of running steps, and calls `on_ended(step, job)` once for each.

    `polls` counts the polls; `took_s` are the durations of jobs that ended between two planned
    polls, by step, in seconds.
    """

    def __init__(self, context: RunContext, on_ended: Callable[[int, RunnerJob], None]) -> None:
        graph, config = context.state.graph, context.config
        self.polls = 0
        self.took_s: dict[int, float] = {}
        self._client = context.client
        self._tasks = context.tasks
        self._on_ended = on_ended
        self._max_in_flight = config.max_polls
        self._max_long_polls = config.max_long_polls if self._client.capabilities.wait else 0
        self._long_poll_s = config.long_poll_s
        self._steps_over = bytearray(graph.size)
        self._targets = WatchTargets(graph)
        self._schedule = PollSchedule(
            config.poll_intervals, LevelSlack(graph, self._steps_over).levels
        )
        self._job_ids: dict[int, str] = {}
        self._unknown_polls: dict[int, int] = {}
        self._in_flight = 0
        self._long_polls = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def close(self) -> None:
        """Plan no more polls."""
        if self._timer is not None:
            self._timer.cancel()

    async def follow(
        self, step: int, job_id: str, kind: Hashable, *, expected_s: float | None, is_new: bool
    ) -> None:
        """Poll a job from now on: one that was submitted just now, or by an earlier process.

        Jobs of the same `kind` are expected to take similar times. `expected_s` is how long the
        step took in earlier runs, in seconds.
        """
        self._job_ids[step] = job_id
        if self._long_polls < self._max_long_polls:
            await self._long_poll(step, job_id)
            return
        began = self._tasks.now()
        probe = is_new and expected_s is None and self._schedule.polls_at_once(kind)
        if is_new and not probe:
            self._plan(step, began, kind, expected_s=expected_s)
            return
        self._in_flight += 1
        job = await self._poll(step, job_id)
        self._poll_done()
        if job is None:
            return
        if not job.has_ended:
            self._plan(step, began, kind, probe=probe)
            return
        if probe:
            self._schedule.learn(kind, (self._tasks.now() - began) / 2)
        self._ended(step, job)

    def forget(self, step: int) -> None:
        """Do not report the end of this step's job."""
        self._job_ids.pop(step, None)
        self._schedule.remove(step)

    def step_over(self, step: int) -> None:
        """A step is over: poll the jobs at once that other steps wait for from now on."""
        self._steps_over[step] = 1
        if self._schedule.planned:
            self._poll_soon(self._targets.step_over(step))
        else:
            self._targets.step_over_later(step)

    def watch_all(self) -> None:
        """Poll all jobs as closely as watch targets: the end of any job lets a step start."""
        self._schedule.watch_all(self._tasks.now())

    # --- one job ----------------------------------------------------------------------------

    async def _long_poll(self, step: int, job_id: str) -> None:
        """Poll until the job has ended; the runner holds each response for a while."""
        self._long_polls += 1
        try:
            while True:
                job = await self._poll(step, job_id, self._long_poll_s)
                if job is None:
                    return
                if job.has_ended:
                    self._ended(step, job)
                    return
        finally:
            self._long_polls -= 1

    async def _planned_poll(self, step: int, job_id: str) -> None:
        """Poll once; `_poll_due` has counted this poll already."""
        job = await self._poll(step, job_id)
        self._poll_done()
        if job is None:
            return
        if job.has_ended:
            self.took_s[step] = self._schedule.ended(step, self._tasks.now())
            self._ended(step, job)
        else:
            self._targets.alive(step)
            self._schedule.alive(step, self._tasks.now())
            self._set_timer()

    async def _poll(self, step: int, job_id: str, wait_s: float = 0) -> RunnerJob | None:
        """The job; as failed if the runner does not know it, or does not say.

        It is None if the end of this job must not be reported any more.
        """
        self.polls += 1
        try:
            job = await self._client.poll_job(job_id, wait_s)
        except ResourceNotFound as error:
            self._unknown_polls[step] = count = self._unknown_polls.get(step, 0) + 1
            gone = count > _MAX_UNKNOWN_POLLS
            job = RunnerJob(job_id, JobState.FAILED if gone else JobState.UNKNOWN, str(error), "")
        except RequestRefused as error:
            job = RunnerJob(job_id, JobState.FAILED, str(error), "")
        return job if self._job_ids.get(step) is job_id else None

    def _poll_done(self) -> None:
        self._in_flight -= 1
        if self._in_flight == self._max_in_flight - 1:
            self._set_timer()  # until now there was no room for polls that are due

    def _ended(self, step: int, job: RunnerJob) -> None:
        del self._job_ids[step]
        if self._unknown_polls:
            self._unknown_polls.pop(step, None)
        self._on_ended(step, job)

    # --- when to poll -----------------------------------------------------------------------

    def _plan(
        self,
        step: int,
        began: float,
        kind: Hashable,
        *,
        expected_s: float | None = None,
        probe: bool = False,
    ) -> None:
        """Let the poll schedule decide from now on when the job is polled."""
        self._schedule.started(
            step,
            began,
            self._tasks.now(),
            kind=kind,
            expected_s=expected_s,
            watched=self._targets.is_target(step),
            probe=probe,
        )
        self._set_timer()

    def _poll_soon(self, steps: Sequence[int]) -> None:
        """These are watch targets from now on: poll them now."""
        if steps:
            now = self._tasks.now()
            for step in steps:
                self._schedule.watch(step, now, poll=True)
            self._set_timer()

    def _set_timer(self) -> None:
        """Have `_poll_due` called when the next poll is due."""
        at = self._schedule.next_at()
        if at is None or self._in_flight >= self._max_in_flight:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._tasks.call_at(at, self._poll_due)

    def _poll_due(self) -> None:
        """Poll all jobs that are due, as far as the limit of requests allows."""
        self._timer = None
        now = self._tasks.now()
        while self._in_flight < self._max_in_flight:
            step = self._schedule.take(now)
            if step is None:
                break
            self._in_flight += 1
            self._tasks.spawn(self._planned_poll(step, self._job_ids[step]))
        self._set_timer()
