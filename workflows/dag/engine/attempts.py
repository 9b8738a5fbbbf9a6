"""Runs one attempt of a step: from its start to the end of its job or flow, or its time limit."""

from __future__ import annotations

from contextlib import suppress
from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import WorkflowsError
from workflows.dag.engine.job_polling import JobPoller
from workflows.dag.engine.submission import JobNotMade, JobSubmitter
from workflows.dag.runner.protocol import JobState, RunnerJob, idempotency_key
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workflows.dag.engine.dependencies import FlowRunner, RunContext
    from workflows.dag.file.model import Step

_END_STATES = {
    JobState.SUCCEEDED: StepState.SUCCEEDED,
    JobState.FAILED: StepState.FAILED,
    JobState.CANCELLED: StepState.CANCELLED,
}


class AttemptRunner:
    """Runs attempts as background tasks. For each of them it calls both callbacks once, in order.

    `on_submitted()`: the attempt has its job, or will get none; another can be submitted.
    `on_ended(step, state, message)`: the attempt has ended in a final state.
    """

    def __init__(
        self,
        context: RunContext,
        flow_runner: FlowRunner | None,
        *,
        on_submitted: Callable[[], None],
        on_ended: Callable[[int, StepState, str], None],
    ) -> None:
        self.poller = JobPoller(context, self._job_ended)
        self.submitter = JobSubmitter(context)
        self._state = context.state
        self._client = context.client
        self._tasks = context.tasks
        self._flow_runner = flow_runner
        self._submitted = on_submitted
        self._ended = on_ended

    def start(self, steps: Sequence[int]) -> None:
        """Run the current attempt of each of these steps."""
        all_steps, spawn = self._state.dag.steps, self._tasks.spawn
        for step in steps:
            what = all_steps[step]
            spawn(self._run_flow(step, what) if what.task is None else self._run_job(step, what))

    async def _run_job(self, step: int, what: Step) -> None:
        """Submit or find the job, and poll it as far as no plan is needed for that."""
        state = self._state
        earlier = state.earlier_attempt(step)
        try:
            if earlier is None:
                job = await self.submitter.submit(step, what)
            else:
                job = await self.submitter.recover(step, what, earlier.job_id)
        except JobNotMade as error:
            self._submitted()
            self._ended(step, StepState.FAILED, str(error))
            return
        self._submitted()
        if job.has_ended:
            self._job_ended(step, job)
            return
        if what.timeout_s is not None:
            left_s = max(0.0, state.began[step] + what.timeout_s - time())
            self._tasks.call_later(left_s, self._time_out, step, state.attempts[step])
        image = what.task.image_uri if what.task else ""
        expected_s = state.expected_s.get(what.id)
        await self.poller.follow(step, job.id, image, expected_s=expected_s, is_new=earlier is None)

    async def _run_flow(self, step: int, what: Step) -> None:
        assert what.flow is not None and self._flow_runner is not None  # noqa: S101, PT018
        self._submitted()
        key = idempotency_key(self._state.run_id, what.id, self._state.attempts[step])
        problem = await self._flow_runner(what.flow, what.timeout_s, key)
        self._ended(step, StepState.FAILED if problem else StepState.SUCCEEDED, problem)

    def _job_ended(self, step: int, job: RunnerJob) -> None:
        self._ended(step, _END_STATES[job.state], job.message)

    def _time_out(self, step: int, attempt: int) -> None:
        """Fail an attempt that is over its time limit, and cancel its job if the runner can."""
        state = self._state
        over = state.scheduler.states[step] is not StepState.RUNNING
        if over or state.attempts[step] != attempt or self._tasks.done.done():
            return
        what = state.dag.steps[step]
        self.poller.forget(step)
        can_cancel = self._client.capabilities.cancel
        if can_cancel:
            self._tasks.spawn(self._cancel_job(state.job_ids[what.id]))
        job = "it is being cancelled" if can_cancel else "the runner cannot cancel it: it goes on"
        message = f"took longer than {what.timeout_s:g} s; {job}"
        self._ended(step, StepState.FAILED, message)

    async def _cancel_job(self, job_id: str) -> None:
        with suppress(WorkflowsError):  # the step fails in any case; polls would show the job
            await self._client.cancel_job(job_id)
