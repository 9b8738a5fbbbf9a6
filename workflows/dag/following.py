"""From a job's id to its end: long polls where the runner offers them, well-timed looks elsewhere.

No task and no timer per job: one timer for all, set to the next look that the poller wants. A job
whose kind is known to take no time is looked at in the task that submitted it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.errors import RequestRefused, ResourceNotFound
from workflows.dag.protocol import FINAL, Job, JobState

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Hashable, Sequence

    from workflows.dag.client import Client
    from workflows.dag.polling import Poller
    from workflows.dag.watching import Watches

_UNKNOWN_LOOKS = 3  # a job may have been made a moment ago, by another instance of the runner


class Follower:
    """Follows the jobs of running steps and tells the end of each, once, by `tell`.

    `looking` requests are on their way at one time at most, and `holding` long polls of `wait_s`
    seconds each. `spawn` starts a task whose failure ends the run.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        client: Client,
        poller: Poller,
        watches: Watches,
        *,
        looking: int,
        holding: int,
        wait_s: float,
        tell: Callable[[int, Job], None],
        spawn: Callable[[Coroutine[None, None, None]], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.looks = 0
        self.took_s: dict[int, float] = {}
        self._client = client
        self._poller = poller
        self._watches = watches
        self._most_looking = looking
        self._most_holding = holding if client.abilities.wait else 0
        self._wait_s = wait_s
        self._tell = tell
        self._spawn = spawn
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

    async def follow(
        self,
        step: int,
        job_id: str,
        *,
        kind: Hashable,
        expected_s: float | None = None,
        old: bool = False,
    ) -> None:
        """See to it that the job's end is told; may return long before that.

        `old`: it was submitted some time ago, by an earlier process.
        """
        self._jobs[step] = job_id
        if self._holding < self._most_holding:
            await self._hold(step, job_id)
            return
        began = self._loop.time()
        probe = False
        if old or (expected_s is None and self._poller.at_once(kind)):
            probe = not old
            self._looking += 1
            try:
                job = await self._ask(step, job_id)
            finally:
                self._looking -= 1
            if self._jobs.get(step) is not job_id:
                return
            if job.state in FINAL:
                if probe:
                    self._poller.learn(kind, (self._loop.time() - began) / 2)
                self._over(step, job)
                return
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
        now = self._loop.time()
        for step in steps:
            self._poller.watch(step, now, look=True)
        self.wake()

    def forget(self, step: int) -> None:
        """The job's end is of no interest any more."""
        self._jobs.pop(step, None)
        self._poller.gone(step)

    def _over(self, step: int, job: Job) -> None:
        del self._jobs[step]
        self._unknown.pop(step, None)
        self._tell(step, job)

    async def _hold(self, step: int, job_id: str) -> None:
        """Long polls, one after the other, until the job has ended."""
        self._holding += 1
        try:
            while True:
                job = await self._ask(step, job_id, self._wait_s)
                if self._jobs.get(step) is not job_id:
                    return
                if job.state in FINAL:
                    self._over(step, job)
                    return
        finally:
            self._holding -= 1

    async def _look(self, step: int, job_id: str) -> None:
        """One look at a job that the poller found due."""
        try:
            job = await self._ask(step, job_id)
        finally:
            self._looking -= 1
        if self._jobs.get(step) is job_id:
            now = self._loop.time()
            if job.state in FINAL:
                self.took_s[step] = self._poller.ended(step, now)
                self._over(step, job)
            else:
                self._watches.alive(step)
                self._poller.alive(step, now)
        self.wake()

    async def _ask(self, step: int, job_id: str, wait_s: float = 0) -> Job:
        """The job; as failed where the runner does not know it, or will not say."""
        self.looks += 1
        try:
            return await self._client.look(job_id, wait_s)
        except ResourceNotFound as error:
            self._unknown[step] = times = self._unknown.get(step, 0) + 1
            gone = times > _UNKNOWN_LOOKS
            return Job(job_id, JobState.FAILED if gone else JobState.UNKNOWN, str(error), "")
        except RequestRefused as error:
            return Job(job_id, JobState.FAILED, str(error), "")

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
        self._timer = self._loop.call_at(at, self._due)

    def _due(self) -> None:
        """Look at all jobs that are due, as far as the bounds allow."""
        self._timer = None
        now = self._loop.time()
        while self._looking < self._most_looking:
            step = self._poller.take(now)
            if step is None:
                break
            self._looking += 1
            self._spawn(self._look(step, self._jobs[step]))
        self.wake()
