"""A step that is one of the flows: a child process here, or an execution of the flow's own job.

Flows are safe to run twice: one that was cut off here is run again when the run is resumed. In
Cloud Run it goes on without us, and is found again by its run id.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.choices import FlowSteps
from workflows.core.redaction import redact
from workflows.dag.file import flow_parameters
from workflows.dag.flows.run_id import LIMIT_S, flow_run_id
from workflows.trigger import message

if TYPE_CHECKING:
    from collections.abc import Collection

    from workflows.core.config.settings import Settings
    from workflows.dag.engine.dependencies import FlowRunner
    from workflows.dag.file.model import FlowCall

_STOP_S = 2.5  # from SIGTERM, which the flow cleans up after, to SIGKILL
_KEPT_BYTES = 256 * 1024
_OURS = ("WORKFLOW_NAME", "WORKFLOW_PARAMETERS", "WORKFLOWS_RUN_URL", "CLOUD_RUN_EXECUTION")


def flow_step_runner(
    flows: Collection[str], settings: Settings, *, cancel_on_exit: bool = False
) -> FlowRunner:
    """What carries out steps that are these flows; here they always end with the run.

    Raises:
        SettingsInvalid: they cannot be run as the settings say.
    """
    if settings.flow_steps is FlowSteps.LOCAL:
        return run_flow_here
    from workflows.dag.flows.cloud_run import CloudFlows  # noqa: PLC0415 - httpx comes with it

    return CloudFlows(flows, settings, cancel_on_exit=cancel_on_exit).run


async def run_flow_here(flow: FlowCall, timeout_s: float | None, key: str) -> str:
    """Run the flow here, to its end; what went wrong, or nothing.

    Its environment is ours without what is about this run. Cancelling stops its whole group.
    """
    env = {name: value for name, value in environment.whole().items() if name not in _OURS}
    env["WORKFLOWS_RUN_ID"] = flow_run_id(key)
    name = flow.workflow.replace("-", "_")
    words = [sys.executable, "-m", "workflows", "run", name, "--json", "--quiet"]
    words += message.flag_arguments(flow_parameters.given(flow))
    limit_s = LIMIT_S if timeout_s is None else timeout_s
    async with process.streaming(words, env=env) as child:
        assert child.stdin is not None  # noqa: S101 - streaming() makes three pipes
        child.stdin.close()
        try:
            async with asyncio.timeout(limit_s):
                out, err = await asyncio.gather(_tail(child.stdout), _tail(child.stderr))
                code = await child.wait()
        except TimeoutError:
            await _stopped(child)
            return f"the flow {name} took longer than {limit_s:g} s and was ended"
        except asyncio.CancelledError:
            await _stopped(child)
            raise
    return "" if code == 0 else _problem(name, code, out, err)


async def _stopped(child: asyncio.subprocess.Process) -> None:
    """Ask the flow to end, which removes what it has left lying about."""
    with suppress(ProcessLookupError):
        child.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            await asyncio.gather(_tail(child.stdout), _tail(child.stderr))
            await child.wait()


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The end of what a child says."""
    kept = b""
    while stream is not None and (piece := await stream.read(65_536)):
        kept = (kept + piece)[-_KEPT_BYTES:]
    return kept.decode(errors="replace")


def _problem(name: str, code: int, out: str, err: str) -> str:
    """What the flow's own outcome says of its failure, else the end of its log."""
    last = out.strip().rsplit("\n", 1)[-1]
    try:
        facts = json.loads(last).get("error") or {}
        said = ": ".join(facts[part] for part in ("what", "why") if facts.get(part))
    except (ValueError, AttributeError):
        said = err.strip()[-500:]
    return redact(f"the flow {name} ended with exit code {code}" + (f": {said}" if said else ""))
