"""How an attempt comes to its job: a new one, or the one that an earlier process submitted."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import AnswerLost, RequestRefused
from workflows.dag import journal as events
from workflows.dag.protocol import Job, JobState, idempotency_key
from workflows.dag.templates import resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workflows.dag.client import Client
    from workflows.dag.journal import Journal
    from workflows.dag.model import Step
    from workflows.dag.parts import Rules


class Submitter:
    """Submits jobs of one run and writes their ids down; `job_ids` by step id, for templates."""

    def __init__(
        self,
        run_id: str,
        client: Client,
        journal: Journal,
        rules: Rules,
        flush_soon: Callable[[], None],
    ) -> None:
        self.job_ids: dict[str, str] = {}
        abilities = client.abilities
        self.recoverable = abilities.idempotency or (abilities.find and rules.unique_names)
        self._run_id = run_id
        self._client = client
        self._journal = journal
        self._rules = rules
        self._flush_soon = flush_soon

    async def submit(self, step: int, what: Step, attempt: int) -> Job:
        """The attempt's new job.

        Raises:
            RequestRefused, AnswerLost, TimeoutExceeded: as the client says.
        """
        if not (self._journal.synchronous or self.recoverable):
            await self._journal.stored()
        job = await self._ask(what, attempt, self._name(what, attempt))
        self._note(step, what, attempt, job)
        return job

    async def recover(self, step: int, what: Step, attempt: int, job_id: str) -> Job:
        """The job of an attempt that an earlier process began; `job_id` is empty if it got none.

        Raises:
            AnswerLost: nobody can say whether it was submitted, and it must not be repeated.
        """
        if job_id:
            self.job_ids[what.id] = job_id
            return Job(job_id, JobState.UNKNOWN, "", "")
        if not self.recoverable and not self._rules.repeat_lost:
            raise AnswerLost("an earlier process was cut off while it submitted this step")
        name = self._name(what, attempt)
        found: list[Job] = []
        if self.recoverable and not self._client.abilities.idempotency:
            found = await self._client.find(name)
        job = found[0] if found else await self._ask(what, attempt, name)
        self._note(step, what, attempt, job)
        return job

    def _ask(self, what: Step, attempt: int, name: str) -> Awaitable[Job]:
        assert what.task is not None  # noqa: S101 - flows have no job
        try:
            args = resolve(what.task.args, self.job_ids)
        except KeyError as error:
            raise RequestRefused(f"step {error} has no job id: it was not submitted") from None
        key = idempotency_key(self._run_id, what.id, attempt)
        return self._client.submit(name, what.task.image_uri, args, what.env or {}, key)

    def _name(self, what: Step, attempt: int) -> str:
        name = what.task.name if what.task else what.id
        if not self._rules.unique_names:
            return name
        return f"{name}-{idempotency_key(self._run_id, what.id, attempt).replace(':', '-')}"

    def _note(self, step: int, what: Step, attempt: int, job: Job) -> None:
        self.job_ids[what.id] = job.id
        self._journal.note(events.submitted(step, attempt, job.id, time()))
        self._flush_soon()
