"""Flow steps as executions of the flows' Cloud Run Jobs, found again by the id of their run.

As in the trigger function, `WORKFLOW_JOBS` names the job of each flow. Executions go on when the
run ends, unless `cancel_on_exit` is set.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from workflows.core.errors import (
    PermanentError,
    SettingsInvalid,
    TransientError,
    WorkflowsError,
)
from workflows.core.google import cloud_run, executions
from workflows.core.redaction import redact
from workflows.dag.file.flow_parameters import given
from workflows.dag.flows.run_id import LIMIT_S, flow_run_id
from workflows.trigger import dispatch, message

if TYPE_CHECKING:
    from collections.abc import Collection

    from workflows.core.config.settings import Settings
    from workflows.dag.file.model import FlowCall

_PATIENCE_S = 300.0  # how long polls may fail
_FIRST_POLL_S = 0.3
_LONGEST_POLL_S = 10.0
_FIX = 'WORKFLOW_JOBS is {"hello_world": "workflows-hello-world", …}, as for the Cloud Functions'


class CloudFlows:
    """The jobs of these flows, as the settings name them.

    `cancel_on_exit`: when a `run` is cancelled, its execution is to be, too.

    Raises:
        SettingsInvalid: a flow without a job, or a job whose place is not known.
    """

    def __init__(
        self, flows: Collection[str], settings: Settings, *, cancel_on_exit: bool = False
    ) -> None:
        try:
            catalog = dispatch.Catalog.of(settings.workflow_jobs or "", "{}")
        except dispatch.CatalogInvalid as error:
            raise SettingsInvalid(
                "flow steps cannot run in Cloud Run", why=str(error), fix=_FIX
            ) from None
        self._cancel_on_exit = cancel_on_exit
        self._jobs: dict[str, tuple[cloud_run.CloudRunApi, str]] = {}
        for flow in sorted(flows):
            name = catalog.workflow(flow)
            if name is None:
                raise SettingsInvalid(f"WORKFLOW_JOBS has no job for the flow {flow}", fix=_FIX)
            self._jobs[flow] = _place(catalog.jobs[name], settings)

    async def run(self, flow: FlowCall, timeout_s: float | None, key: str) -> str:
        """Run the flow to its end, or go on with the execution of this key; what went wrong.

        Raises:
            TransientError: Cloud Run cannot be asked; the run can be resumed.
        """
        api, job = self._jobs[flow.workflow]
        limit_s = LIMIT_S if timeout_s is None else timeout_s
        began = time.monotonic()
        try:
            execution, ended, why = await self._followed(api, job, flow, key, began + limit_s)
            if not ended:
                await asyncio.to_thread(api.cancel, execution)
        except PermanentError as error:
            return redact(f"the flow {flow.workflow} cannot be run in Cloud Run: {error}")
        if ended == "succeeded":
            return ""
        if not ended:
            return f"the flow {flow.workflow} took longer than {limit_s:g} s; it is being cancelled"
        said = f": {why}" if why else ""
        return redact(f"the flow {flow.workflow} {ended} in {execution.rpartition('/')[2]}{said}")

    async def _followed(
        self, api: cloud_run.CloudRunApi, job: str, flow: FlowCall, key: str, deadline: float
    ) -> tuple[str, str, str]:
        """The execution, how it ended, and why. When we are stopped it is cancelled, if wished."""
        mark = executions.ExecutionMark(executions.RUN_ID_VARIABLE, flow_run_id(key))
        request = executions.start_request(mark, message.flag_arguments(given(flow)))
        stop = threading.Event()
        starting = asyncio.ensure_future(
            asyncio.to_thread(api.start_once, job, request, mark, stop=stop, may_exist=True)
        )
        try:
            execution = await asyncio.shield(starting)
            return execution, *(await _end(api, execution, deadline))
        except asyncio.CancelledError:
            if not self._cancel_on_exit:
                stop.set()
                starting.cancel()
                raise
            with suppress(WorkflowsError):  # it goes on, as it would without the wish
                await asyncio.to_thread(api.cancel, await starting)  # its name may be on its way
            raise


def _place(job: str, settings: Settings) -> tuple[cloud_run.CloudRunApi, str]:
    """The API of a job's project and region, and its short name."""
    parts = job.split("/")
    project = parts[1] if len(parts) > 1 else settings.project
    region = parts[3] if len(parts) > 1 else settings.region
    if not project or not region:
        raise SettingsInvalid(
            f"it is not known where the job {job} is",
            fix="set WORKFLOWS_PROJECT and WORKFLOWS_REGION",
        )
    api = cloud_run.connect_cloud_run(
        project, region, settings.cloud_run_api, local_token=settings.cloud_run_token
    )
    return api, parts[-1]


async def _end(api: cloud_run.CloudRunApi, execution: str, deadline: float) -> tuple[str, str]:
    """How the execution ended, and why; two empty texts where the deadline came first."""
    wait_s, answered = _FIRST_POLL_S, time.monotonic()
    while True:
        try:
            ended, why = executions.execution_outcome(
                await asyncio.to_thread(api.execution, execution)
            )
            answered = time.monotonic()
            if ended:
                return ended, why
        except TransientError:
            if time.monotonic() - answered > _PATIENCE_S:
                raise
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return "", ""
        await asyncio.sleep(min(wait_s, left_s))
        wait_s = min(1.3 * wait_s, _LONGEST_POLL_S)
