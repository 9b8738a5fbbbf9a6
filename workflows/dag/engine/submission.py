"""How an attempt comes to its job: a new one, or the one that an earlier process submitted."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import AnswerLost, RequestRefused, TimeoutExceeded, WorkflowsError
from workflows.dag.file.templates import fill_in_job_ids
from workflows.dag.journal import events
from workflows.dag.runner.protocol import JobState, RunnerJob, idempotency_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.dag.engine.background import BackgroundTasks
    from workflows.dag.engine.dependencies import EngineConfig
    from workflows.dag.file.model import Step
    from workflows.dag.journal.journal import Journal
    from workflows.dag.runner.client import Request, RunnerClient, Sent

_Attempt = tuple[int, "Step", int]
"""One attempt of a step: the step's number, the step, and which attempt it is."""


class JobSubmitter:
    """Submits jobs of one run and writes their ids down; `job_ids` by step id, for templates.

    Each attempt's job is told by `made`, or by `failed` why there is none: one of them, once.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        run_id: str,
        client: RunnerClient,
        journal: Journal,
        rules: EngineConfig,
        *,
        background: BackgroundTasks,
        made: Callable[[int, RunnerJob], None],
        failed: Callable[[int, str], None],
    ) -> None:
        self.job_ids: dict[str, str] = {}
        capabilities = client.capabilities
        self.recoverable = capabilities.idempotency or (capabilities.find and rules.unique_names)
        self._run_id = run_id
        self._client = client
        self._journal = journal
        self._rules = rules
        self._background = background
        self._at_once = journal.synchronous or self.recoverable
        self._tell = made
        self._failed = failed

    def begin(self, step: int, what: Step, attempt: int) -> None:
        """Submit the attempt's new job."""
        if not self._at_once:
            self._background.spawn(self._after_journal((step, what, attempt)))
            return
        try:
            request = self._request(what, attempt)
        except RequestRefused as error:
            self._failed(step, str(error))
            return
        self._client.begin(request, (step, what, attempt), self)

    def recover(self, step: int, what: Step, attempt: int, job_id: str) -> None:
        """The job of an attempt that an earlier process began; `job_id` is empty if it got none."""
        if job_id:
            self.job_ids[what.id] = job_id
            self._tell(step, RunnerJob(job_id, JobState.UNKNOWN, "", ""))
        elif self.recoverable or self._rules.repeat_lost:
            find = self.recoverable and not self._client.capabilities.idempotency
            self._background.spawn(self._exchange((step, what, attempt), find=find))
        else:
            lost = AnswerLost("an earlier process was cut off while it submitted this step")
            self._failed(step, _unknown(lost))

    async def _after_journal(self, about: _Attempt) -> None:
        """Nothing is submitted before it is stored that it will be."""
        await self._journal.stored()
        await self._exchange(about)

    async def _exchange(
        self,
        about: _Attempt,
        request: Request[RunnerJob] | None = None,
        first: Sent | None = None,
        *,
        find: bool = False,
    ) -> None:
        """The long way, with whatever waits and tries it takes; `find`: there may be a job."""
        step, what, attempt = about
        try:
            found = await self._client.find(self._name(what, attempt)) if find else []
            if found:
                job = found[0]
            else:
                job = await self._client.exchange(request or self._request(what, attempt), first)
        except (AnswerLost, TimeoutExceeded) as error:
            self._failed(step, _unknown(error))
        except RequestRefused as error:
            self._failed(step, str(error))
        else:
            self.answered(about, job)

    def _request(self, what: Step, attempt: int) -> Request[RunnerJob]:
        task = what.task
        assert task is not None  # noqa: S101 - flows have no job
        name, image_uri, args = task
        try:
            args = fill_in_job_ids(args, self.job_ids)
        except KeyError as error:
            raise RequestRefused(f"step {error} has no job id: it was not submitted") from None
        key = idempotency_key(self._run_id, what.id, attempt)
        if self._rules.unique_names:
            name = self._name(what, attempt)
        return self._client.submit(name, image_uri, args, what.env or {}, key)

    def _name(self, what: Step, attempt: int) -> str:
        """A name that no other attempt has, so that its job can be found by it."""
        name = what.task.name if what.task else what.id
        return f"{name}-{idempotency_key(self._run_id, what.id, attempt).replace(':', '-')}"

    def answered(self, about: _Attempt, job: RunnerJob) -> None:
        """The client's word: the attempt has a job. What goes wrong here ends the run."""
        if self._background.closed:
            return
        step, what, attempt = about
        try:
            self.job_ids[what.id] = job.id
            self._journal.note(events.job_event(step, attempt, job.id, time()))
            self._tell(step, job)
        except BaseException as error:  # noqa: BLE001 - the run raises it
            self._background.fail(error)

    def unanswered(self, about: _Attempt, request: Request[RunnerJob], sent: Sent | None) -> None:
        """The client's word: it takes longer."""
        self._background.spawn(self._exchange(about, request, sent))


def _unknown(error: WorkflowsError) -> str:
    return (
        f"{error.what}: the job may or may not have been made, and this runner cannot say;"
        " look there, then run with --resume to submit it again"
        " (--lost-answers repeat does so by itself)"
    )
