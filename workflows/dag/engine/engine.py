"""Runs a DAG against a Task Runner: each step once, the moment its last dependency has ended.

One thread, one event loop, no task or timer per waiting step. What a step is and when it may run
is the scheduler's, when to look at a job the poller's, requests the client's; here they meet the
journal: an attempt is written down before its job is submitted, a job's id and end as soon as
they are known. So after any end of this process another one goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import Terminated, WorkflowsError
from workflows.core.redaction import redact
from workflows.dag.engine.background import BackgroundTasks
from workflows.dag.engine.job_polling import JobPoller
from workflows.dag.engine.poll_schedule import PollSchedule
from workflows.dag.engine.scheduler import Graph, Scheduler
from workflows.dag.engine.submission import JobSubmitter
from workflows.dag.engine.watch_targets import LevelSlack, WatchTargets
from workflows.dag.journal import events
from workflows.dag.runner.protocol import FINAL, JobState, RunnerJob, idempotency_key
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workflows.dag.engine.dependencies import EngineConfig, EngineDependencies
    from workflows.dag.file.model import Dag, Step
    from workflows.dag.journal.events import StepRecord

_STOP_S = 1.5  # SIGTERM: how long answers to what was submitted may still take
_CANCEL_S = 2.0
_FLUSH_S = 0.005  # ends and job ids are committed together, this long after the first of them
_READY, _SUCCEEDED = StepState.READY, StepState.SUCCEEDED  # once, as in `scheduler`
_ENDS = {
    JobState.SUCCEEDED: StepState.SUCCEEDED,
    JobState.FAILED: StepState.FAILED,
    JobState.CANCELLED: StepState.CANCELLED,
}


class Engine:
    """One run. What happened to each step is in the lists `attempts`, `job_ids`, `began`, ….

    `began` and `over` are seconds since 1970, 0 where it has not come to that.
    """

    def __init__(
        self, dag: Dag, run_id: str, parts: EngineDependencies, rules: EngineConfig
    ) -> None:
        steps = dag.steps
        graph = Graph(dag.dependencies())
        stop = dag.on_failure.value == "stop"
        self.dag = dag
        self.run_id = run_id
        self.scheduler = Scheduler(graph, [step.when for step in steps], stop_on_failure=stop)
        self.attempts = [0] * graph.size
        self.messages: dict[int, str] = {}
        self.began = [0.0] * graph.size
        self.over = [0.0] * graph.size
        self.reused = 0
        self._parts = parts
        self._rules = rules
        self._client = parts.client
        self._journal = parts.journal
        self._past = parts.past
        self._observer = parts.observer
        self._ended = bytearray(graph.size)
        self._watches = WatchTargets(graph)
        self._poller = PollSchedule(parts.pace, LevelSlack(graph, self._ended).ahead)
        self._ready: deque[int] = deque()
        self._tries: dict[int, int] = {}
        self._running = 0
        self._submitting = 0
        self._stopping: int | None = None
        self._pumping = False
        self._flushing = False
        self.expected_s = parts.expected_s
        self._most = min(dag.max_parallel or rules.max_parallel, rules.max_parallel)

    @property
    def done(self) -> int:
        """How many steps are over."""
        return self.scheduler.over

    @property
    def polls(self) -> int:
        """How often a job's state was asked for."""
        return self._follower.polls

    @property
    def took_s(self) -> Mapping[int, float]:
        """How long jobs took, in seconds, as far as that is known well."""
        return self._follower.took_s

    async def run(self) -> None:
        """Run every step that can be run; how each ended is in `scheduler.states`.

        Raises:
            Terminated: `stop` was called; the run can be resumed.
            TransientError: the runner cannot be reached any more; the run can be resumed.
            AuthenticationFailed, AccessDenied, RunnerUnusable: no step can be run there.
            RunConflict: another process has taken the run over.
        """
        self._loop = asyncio.get_running_loop()
        self._background = BackgroundTasks()
        self._done = self._background.done
        self._submitter = JobSubmitter(
            self.run_id,
            self._client,
            self._journal,
            self._rules,
            background=self._background,
            made=self._made,
            failed=self._not_made,
        )
        self._follower = JobPoller(
            self._client,
            self._poller,
            self._watches,
            looking=self._rules.submitting,
            holding=self._rules.waiting,
            wait_s=self._rules.wait_s,
            tell=self._job_over,
            background=self._background,
            loop=self._loop,
        )
        ready, skipped = self.scheduler.ready()
        for step in skipped:
            self._settled(step)
        self._take(ready)
        self._pump()
        try:
            await self._done
            if self._stopping is not None:
                await self._stop()
        finally:
            self._follower.close()
            await self._background.close()
            self._journal.flush()
            await self._journal.stored()
        if self._stopping is not None:
            raise Terminated(self._stopping)

    def stop(self, signal_number: int) -> None:
        """Start nothing more; `run` raises Terminated soon. The second call does nothing."""
        if self._stopping is None:
            self._stopping = signal_number
            self._background.finish()

    async def _stop(self) -> None:
        """Let what was submitted get its job id; cancel the jobs where that is asked for."""
        deadline = self._loop.time() + _STOP_S
        while self._submitting and self._loop.time() < deadline:  # noqa: ASYNC110 - 1.5 s at most
            await asyncio.sleep(0.02)
        if self._rules.cancel_on_exit:
            await self._cancel_running()

    async def _cancel_running(self) -> None:
        """Ask for the end of what runs; flows that run elsewhere are `run_flow`'s to cancel."""
        now, steps = time(), self.dag.steps
        jobs = []
        for step, state in enumerate(self.scheduler.states):
            if state is StepState.RUNNING:
                job_id = self._submitter.job_ids.get(steps[step].id)
                if steps[step].flow is not None or (job_id and self._client.capabilities.cancel):
                    self._journal.note(events.cancellation_event(step, self.attempts[step], now))
                if job_id:
                    jobs.append(job_id)
        self._journal.flush()  # before anything that may hang until we are killed
        if jobs and self._client.capabilities.cancel:
            asked = [self._loop.create_task(self._cancel(job_id)) for job_id in jobs]
            _, unheard = await asyncio.wait(asked, timeout=_CANCEL_S)
            for one in unheard:
                one.cancel()

    # --- what starts when -----------------------------------------------------------------

    def _take(self, ready: Sequence[int]) -> None:
        """Steps may start; those that an earlier process saw succeed are over already."""
        todo = deque(ready)
        while todo:
            step = todo.popleft()
            known = self._past.get(step)
            if known is None or known.state is not StepState.SUCCEEDED:
                self._ready.append(step)
                continue
            self.reused += 1
            self.attempts[step] = known.attempt
            self.began[step], self.over[step] = known.began, known.ended
            if known.job_id:
                self._submitter.job_ids[self.dag.steps[step].id] = known.job_id
            todo.extend(self._settle(step, StepState.SUCCEEDED))

    def _pump_soon(self) -> None:
        """Start what is ready, in the next turn of the loop."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._background.call, self._pump)

    def _pump(self) -> None:
        """Start what is ready, as far as the bounds allow; one commit for all of it."""
        self._pumping = False
        if self._stopping is not None or self._done.done():
            return
        batch: list[int] = []
        free = min(self._rules.submitting - self._submitting, self._most - self._running)
        ready, states = self._ready, self.scheduler.states
        while ready and len(batch) < free:
            step = ready.popleft()
            if states[step] is _READY:  # not skipped meanwhile
                self.scheduler.started(step)
                batch.append(step)
        if batch:
            self._begin(batch)
            self._submitting += len(batch)
            self._running += len(batch)
            if not self._submitter.recoverable:
                self._journal.flush()
            elif not self._flushing:
                self._flush_soon()
            self._submit(batch)
        elif self.scheduler.finished:
            self._background.finish()
        if self._ready and self._running >= self._most:
            self._poller.hurry(self._loop.time())  # every end makes room: all are waited for

    def _begin(self, steps: Sequence[int]) -> None:
        """Write down that attempts begin; those that an earlier process began keep their number."""
        attempts, began, past, note = self.attempts, self.began, self._past, self._journal.note
        for step in steps:
            if past and self._goes_on(step):
                continue
            attempts[step] = attempt = attempts[step] + 1
            began[step] = now = time()
            note(events.submission_event(step, attempt, now))
            self._observer.started(step)

    def _goes_on(self, step: int) -> bool:
        """Whether this is an attempt that an earlier process began; its number is kept."""
        known = self._past.get(step)
        if known is None or self.attempts[step]:
            return False
        self.attempts[step], self.began[step] = known.attempt, known.began
        gone = known.cancelled and self.dag.steps[step].flow is not None
        return known.state in {StepState.READY, StepState.RUNNING} and not gone

    def _submit(self, steps: Sequence[int]) -> None:
        """One attempt of each of these steps: its job is made, or found again."""
        all_steps, attempts, submitter = self.dag.steps, self.attempts, self._submitter
        for step in steps:
            what = all_steps[step]
            if what.task is None:
                self._submitting -= 1
                self._background.spawn(self._flow(step, what))
            elif self._past and (known := self._known(step)) is not None:
                submitter.recover(step, what, known.attempt, known.job_id)
            else:
                submitter.begin(step, what, attempts[step])

    # --- one step ---------------------------------------------------------------------------

    def _known(self, step: int) -> StepRecord | None:
        """What an earlier process wrote of this very attempt."""
        known = self._past.get(step)
        return known if known is not None and known.attempt == self.attempts[step] else None

    def _not_made(self, step: int, message: str) -> None:
        """The submitter's word: there is no job."""
        self._submitting -= 1
        self._end(step, StepState.FAILED, message)

    def _made(self, step: int, job: RunnerJob) -> None:
        """The submitter's word: the attempt has a job."""
        self._submitting -= 1
        if not self._flushing:
            self._flush_soon()
        if self._ready and not self._pumping:
            self._pump_soon()
        if job.state in FINAL:
            self._job_over(step, job)
            return
        what = self.dag.steps[step]
        if what.timeout_s is not None:
            left_s = max(0.0, self.began[step] + what.timeout_s - time())
            self._later(left_s, self._out_of_time, step, self.attempts[step])
        task = what.task
        kind = task.image_uri if task else ""
        if self._past and self._known(step) is not None:
            self._follower.take_over(step, job.id, kind)
        else:
            self._follower.follow(step, job.id, kind, self.expected_s.get(what.id))

    async def _flow(self, step: int, what: Step) -> None:
        run_flow = self._parts.run_flow
        assert what.flow is not None and run_flow is not None  # noqa: S101, PT018 - no task
        key = idempotency_key(self.run_id, what.id, self.attempts[step])
        problem = await run_flow(what.flow, what.timeout_s, key)
        self._end(step, StepState.FAILED if problem else StepState.SUCCEEDED, problem)

    def _job_over(self, step: int, job: RunnerJob) -> None:
        """The follower's word, or an answer that was final from the start."""
        self._end(step, _ENDS[job.state], job.message)

    def _out_of_time(self, step: int, attempt: int) -> None:
        """The attempt has taken as long as it may: cancel it where that is possible, and fail."""
        if self._ended[step] or self.attempts[step] != attempt or self._done.done():
            return
        what = self.dag.steps[step]
        self._follower.forget(step)
        cancel = self._client.capabilities.cancel
        if cancel:
            self._background.spawn(self._cancel(self._submitter.job_ids[what.id]))
        left = "it is being cancelled" if cancel else "the runner cannot cancel it: it goes on"
        self._end(step, StepState.FAILED, f"took longer than {what.timeout_s:g} s; {left}")

    async def _cancel(self, job_id: str) -> None:
        with suppress(WorkflowsError):  # whoever looks at the runner sees that it goes on
            await self._client.cancel(job_id)

    # --- ends -------------------------------------------------------------------------------

    def _end(self, step: int, state: StepState, message: str = "") -> None:
        """An attempt is over: the step is, too, unless it has retries left."""
        now, began = time(), self.began[step]
        if message:
            message = redact(message)
        self._running -= 1
        self._journal.note(events.end_event(step, self.attempts[step], state, message, began, now))
        if not self._flushing:
            self._flush_soon()
        if state is not _SUCCEEDED and self._tried_again(step, state, message):
            return
        self.over[step] = now
        if message:
            self.messages[step] = message
        ready = self._settle(step, state)
        if self._past:
            self._take(ready)
        else:
            self._ready.extend(ready)
        if not self._pumping:
            self._pump_soon()

    def _tried_again(self, step: int, state: StepState, message: str) -> bool:
        """Whether another attempt is to come: a retry, or as a stopped run cancelled the job."""
        if state is StepState.CANCELLED:
            known = self._known(step)
            if known is None or not known.cancelled:
                return False
            self.scheduler.again(step)
            self._again(step)
            return True
        tries = self._tries.get(step, 0)
        if tries >= self.dag.steps[step].retries:
            return False
        self._tries[step] = tries + 1
        self.scheduler.again(step)
        wait_s = min(self._rules.retry_delay_s * 2**tries, 30.0)
        self._observer.retried(step, message, wait_s)
        self._later(wait_s, self._again, step)
        return True

    def _again(self, step: int) -> None:
        self._ready.append(step)
        self._pump_soon()

    def _settle(self, step: int, state: StepState) -> list[int]:
        """Tell everybody that a step is over; the answer is what may start now."""
        ready, skipped = self.scheduler.ended(step, state)
        self._settled(step)
        for one in skipped:
            self._settled(one)
        return ready

    def _settled(self, step: int) -> None:
        self._ended[step] = 1
        self._observer.ended(step)
        if self._poller.planned:
            self._follower.hurry(self._watches.over(step))
        else:
            self._watches.later(step)

    # --- clockwork --------------------------------------------------------------------------

    def _later(self, wait_s: float, act: Callable[..., None], *args: int) -> None:
        """Do it in `wait_s` seconds, unless the run is over; what it raises ends the run."""
        self._loop.call_later(wait_s, self._background.call, act, *args)

    def _flush_soon(self) -> None:
        """Commit what is noted, in a moment. Who calls has seen that nobody else has."""
        self._flushing = True
        self._later(_FLUSH_S, self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        self._journal.flush()
