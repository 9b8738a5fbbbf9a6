"""Gets the job for an attempt: submits a new one, or finds the one an earlier process submitted."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import AnswerLost, RequestRefused, TimeoutExceeded, WorkflowsError
from workflows.dag.file.templates import fill_in_job_ids
from workflows.dag.journal import events
from workflows.dag.runner.protocol import JobState, RunnerJob, idempotency_key

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from workflows.dag.engine.dependencies import RunContext
    from workflows.dag.file.model import Step


class JobNotMade(Exception):
    """The attempt has no job; its text says why, for the user."""


class JobSubmitter:
    """Submits the jobs of one run, and writes their ids to the journal and into the run's state.

    `recoverable`: a job can be found again if the response to its submission is lost.
    """

    def __init__(self, context: RunContext) -> None:
        capabilities, config = context.client.capabilities, context.config
        self.recoverable = capabilities.idempotency or (capabilities.find and config.unique_names)
        self._state = context.state
        self._client = context.client
        self._journal = context.journal
        self._repeat_lost = config.repeat_lost
        self._unique_names = config.unique_names
        self._waits_for_journal = not (context.journal.synchronous or self.recoverable)

    async def submit(self, step: int, what: Step, *, find: bool = False) -> RunnerJob:
        """The job of the step's attempt, which must be noted in the journal before.

        With `find` a job that an earlier process submitted is used, if there is one.

        Raises:
            JobNotMade: the runner refused it, or it is unknown whether it was made.
            WorkflowsError: no job can be submitted at this runner now.
        """
        attempt = self._state.attempts[step]
        if self._waits_for_journal:
            await self._journal.stored()
        try:
            found = await self._client.find_jobs(self._unique_name(what, attempt)) if find else []
            job = found[0] if found else await self._submit(what, attempt)
        except (AnswerLost, TimeoutExceeded) as error:
            raise JobNotMade(_unknown_outcome(error)) from error
        except RequestRefused as error:
            raise JobNotMade(str(error)) from error
        self._state.job_ids[what.id] = job.id
        self._journal.note_soon(events.job_event(step, attempt, job.id, time()))
        return job

    async def recover(self, step: int, what: Step, job_id: str) -> RunnerJob:
        """The job of an attempt that an earlier process began.

        `job_id` is what the journal knows; empty if that process ended before the job had an id.

        Raises:
            JobNotMade, WorkflowsError: as `submit`.
        """
        if job_id:
            self._state.job_ids[what.id] = job_id
            return RunnerJob(job_id, JobState.UNKNOWN, "", "")
        if not (self.recoverable or self._repeat_lost):
            lost = AnswerLost("an earlier process was cut off while it submitted this step")
            raise JobNotMade(_unknown_outcome(lost))
        find = self.recoverable and not self._client.capabilities.idempotency
        return await self.submit(step, what, find=find)

    def _submit(self, what: Step, attempt: int) -> Awaitable[RunnerJob]:
        task = what.task
        assert task is not None  # noqa: S101 - flows have no job
        name, image_uri, args = task
        try:
            args = fill_in_job_ids(args, self._state.job_ids)
        except KeyError as error:
            raise RequestRefused(f"step {error} has no job id: it was not submitted") from None
        if self._unique_names:
            name = self._unique_name(what, attempt)
        key = idempotency_key(self._state.run_id, what.id, attempt)
        return self._client.submit_job(name, image_uri, args, what.env or {}, key)

    def _unique_name(self, what: Step, attempt: int) -> str:
        """A name that no other attempt has, so that its job can be found by the name."""
        name = what.task.name if what.task else what.id
        key = idempotency_key(self._state.run_id, what.id, attempt)
        return f"{name}-{key.replace(':', '-')}"


def _unknown_outcome(error: WorkflowsError) -> str:
    return (
        f"{error.what}: the job may or may not have been made, and this runner cannot say;"
        " look there, then run with --resume to submit it again"
        " (--lost-answers repeat does so by itself)"
    )
