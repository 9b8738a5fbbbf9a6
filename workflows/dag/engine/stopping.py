"""The end of a run that is stopped by a signal, so that it can be resumed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import WorkflowsError
from workflows.dag.journal import events
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.dag.engine.dependencies import RunContext
    from workflows.dag.engine.start_queue import StartQueue

_SUBMISSIONS_S = 1.5
_CANCEL_S = 2.0
_CHECK_S = 0.02


async def wait_for_submissions(queue: StartQueue) -> None:
    """Wait until the jobs that were submitted have ids, for 1.5 s at most."""
    deadline = asyncio.get_running_loop().time() + _SUBMISSIONS_S
    while queue.submitting and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_CHECK_S)


async def cancel_running_jobs(context: RunContext) -> None:
    """Ask the runner to cancel the jobs that run, and wait for its responses for 2 s at most.

    What is to be cancelled is noted in the journal, so that a resumed run starts it again. Flows
    are noted only: the flow runner cancels them.
    """
    can_cancel = context.client.capabilities.cancel
    job_ids = _note_cancelled(context, can_cancel=can_cancel)
    context.journal.flush()  # before the requests, since we may be killed while they wait
    if job_ids and can_cancel:
        await _cancel(context, job_ids)


def _note_cancelled(context: RunContext, *, can_cancel: bool) -> list[str]:
    """Note in the journal what is to be cancelled; the ids of all running jobs."""
    state, now = context.state, time()
    job_ids = []
    for step, (what, step_state) in enumerate(
        zip(state.dag.steps, state.scheduler.states, strict=True)
    ):
        if step_state is StepState.RUNNING:
            job_id = state.job_ids.get(what.id)
            if what.flow is not None or (job_id and can_cancel):
                context.journal.note(events.cancellation_event(step, state.attempts[step], now))
            if job_id:
                job_ids.append(job_id)
    return job_ids


async def _cancel(context: RunContext, job_ids: Sequence[str]) -> None:
    async def cancel(job_id: str) -> None:
        with suppress(WorkflowsError):  # the run ends in any case; the journal notes what ran
            await context.client.cancel_job(job_id)

    tasks = [asyncio.ensure_future(cancel(job_id)) for job_id in job_ids]
    _, pending = await asyncio.wait(tasks, timeout=_CANCEL_S)
    for task in pending:
        task.cancel()
