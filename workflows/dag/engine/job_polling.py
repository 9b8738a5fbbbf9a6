"""From a job's id to its end: long polls where the runner offers them, well-timed looks elsewhere.

No task and no timer for a look: one timer for all, set to the next one that the poller wants. A
job whose kind is known to take no time is looked at as soon as it is submitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.errors import RequestRefused, ResourceNotFound
from workflows.dag.runner.protocol import FINAL, JobState, RunnerJob

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable, Sequence

    from workflows.dag.engine.background import BackgroundTasks
    from workflows.dag.engine.poll_schedule import PollSchedule
    from workflows.dag.engine.watch_targets import WatchTargets
    from workflows.dag.runner.client import Request, RunnerClient, Sent

_UNKNOWN_LOOKS = 3  # a job may have been made a moment ago, by another instance of the runner


_First = tuple[float, "Hashable", float | None, bool]
"""What is known of a job before its first look: began, kind, expected_s, whether it is a probe."""
_Look = tuple[int, str, _First | None]
"""One look: the step, its job's id, and what was known of that if it is the first look."""


class JobPoller:
    """Follows the jobs of running steps and tells the end of each, once, by `tell`.

    `looking` requests are on their way at one time at most, and `holding` long polls of `wait_s`
    seconds each.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        client: RunnerClient,
        poller: PollSchedule,
        watches: WatchTargets,
        *,
        looking: int,
        holding: int,
        wait_s: float,
        tell: Callable[[int, RunnerJob], None],
        background: BackgroundTasks,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.polls = 0
        self.took_s: dict[int, float] = {}
        self._client = client
        self._poller = poller
        self._watches = watches
        self._most_looking = looking
        self._most_holding = holding if client.capabilities.wait else 0
        self._wait_s = wait_s
        self._tell = tell
        self._background = background
        self._loop = loop
        self._jobs: dict[int, str] = {}
        self._unknown: dict[int, int] = {}
        self._looking = 0
        self._holding = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def close(self) -> None:
        """No more looks."""
        if self._timer is not None:
            self._timer.cancel()

    def follow(self, step: int, job_id: str, kind: Hashable, expected_s: float | None) -> None:
        """See to it that the end of a job is told that was submitted just now."""
        self._jobs[step] = job_id
        if self._holding < self._most_holding:
            self._hold_on(step, job_id)
        elif expected_s is None and self._poller.at_once(kind):
            self._look(step, job_id, (self._loop.time(), kind, None, True))
        else:
            self._plan(step, (self._loop.time(), kind, expected_s, False))

    def take_over(self, step: int, job_id: str, kind: Hashable) -> None:
        """As `follow`, for a job that an earlier process submitted some time ago."""
        self._jobs[step] = job_id
        if self._holding < self._most_holding:
            self._hold_on(step, job_id)
        else:
            self._look(step, job_id, (self._loop.time(), kind, None, False))

    def _plan(self, step: int, first: _First) -> None:
        """The poller says from now on when to look."""
        began, kind, expected_s, probe = first
        self._poller.started(
            step,
            began,
            self._loop.time(),
            kind=kind,
            expected_s=expected_s,
            watched=self._watches.watched(step),
            probe=probe,
        )
        self.wake()

    def hurry(self, steps: Sequence[int]) -> None:
        """Somebody waits for these jobs from now on: look at them now."""
        if steps:
            now = self._loop.time()
            for step in steps:
                self._poller.watch(step, now, look=True)
            self.wake()

    def forget(self, step: int) -> None:
        """The job's end is of no interest any more."""
        self._jobs.pop(step, None)
        self._poller.gone(step)

    def _over(self, step: int, job: RunnerJob) -> None:
        del self._jobs[step]
        if self._unknown:
            self._unknown.pop(step, None)
        self._tell(step, job)

    def _hold_on(self, step: int, job_id: str) -> None:
        """Follow the job by long polls; the caller has seen that there is room for one."""
        self._holding += 1
        self._background.spawn(self._hold(step, job_id))

    async def _hold(self, step: int, job_id: str) -> None:
        """Long polls, one after the other, until the job has ended."""
        try:
            while True:
                self.polls += 1
                job = await self._asked(step, job_id, self._client.look(job_id, self._wait_s))
                if self._jobs.get(step) is not job_id:
                    return
                if job.state in FINAL:
                    self._over(step, job)
                    return
        finally:
            self._holding -= 1

    def _look(self, step: int, job_id: str, first: _First | None = None) -> None:
        """One look; what it shows is `_seen`, unless the job is of no interest any more."""
        self.polls += 1
        self._looking += 1
        self._client.begin(self._client.look(job_id), (step, job_id, first), self)

    def unanswered(self, about: _Look, request: Request[RunnerJob], sent: Sent | None) -> None:
        """The client's word: it takes longer."""
        self._background.spawn(self._exchange(about, request, sent))

    async def _exchange(self, about: _Look, request: Request[RunnerJob], sent: Sent | None) -> None:
        """The long way, with whatever waits and tries it takes."""
        try:
            job = await self._asked(about[0], about[1], request, sent)
        except BaseException:
            self._looking -= 1
            raise
        self.answered(about, job)

    def answered(self, about: _Look, job: RunnerJob) -> None:
        """The client's word: the job as it is now. What goes wrong here ends the run."""
        if self._background.closed:
            return
        step, job_id, first = about
        try:
            self._looking -= 1
            if self._jobs.get(step) is job_id:
                self._seen(step, job, first)
            if self._looking == self._most_looking - 1:
                self.wake()  # there was no room for what is due
        except BaseException as error:  # noqa: BLE001 - the run raises it
            self._background.fail(error)

    def _seen(self, step: int, job: RunnerJob, first: _First | None) -> None:
        """What a look has shown: the first, made at once, or one that the poller found due."""
        if job.state not in FINAL:
            self._goes_on(step, first)
            return
        if first is None:
            self.took_s[step] = self._poller.ended(step, self._loop.time())
        else:
            began, kind, _, probe = first
            if probe:
                self._poller.learn(kind, (self._loop.time() - began) / 2)
        self._over(step, job)

    def _goes_on(self, step: int, first: _First | None) -> None:
        """A look has shown that the job has not ended."""
        if first is not None:
            self._plan(step, first)
        else:
            self._watches.alive(step)
            self._poller.alive(step, self._loop.time())
            self.wake()

    async def _asked(
        self, step: int, job_id: str, request: Request[RunnerJob], sent: Sent | None = None
    ) -> RunnerJob:
        """The job; as failed where the runner does not know it, or will not say."""
        try:
            return await self._client.exchange(request, sent)
        except ResourceNotFound as error:
            self._unknown[step] = times = self._unknown.get(step, 0) + 1
            gone = times > _UNKNOWN_LOOKS
            return RunnerJob(job_id, JobState.FAILED if gone else JobState.UNKNOWN, str(error), "")
        except RequestRefused as error:
            return RunnerJob(job_id, JobState.FAILED, str(error), "")

    def wake(self) -> None:
        """See that `_due` is called when the next look is due."""
        at = self._poller.next_at()
        if at is None or self._looking >= self._most_looking:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._background.call, self._due)

    def _due(self) -> None:
        """Look at all jobs that are due, as far as the bounds allow."""
        self._timer = None
        now = self._loop.time()
        while self._looking < self._most_looking:
            step = self._poller.take(now)
            if step is None:
                break
            self._look(step, self._jobs[step])
        self.wake()
