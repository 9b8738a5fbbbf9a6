"""A step that is one of the flows: the `workflows` program once more, as a child on this machine.

Flows are safe to run twice, so a step that was cut off is run again when the run is resumed. As a
Cloud Run Job it would need a job per flow; that is not configured here.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from workflows.core import environment, process
from workflows.core.errors import SettingsInvalid
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from workflows.dag.model import FlowCall

LOCATION = "WORKFLOWS_FLOW_STEPS"  # `local` (default) or `cloud`
_LIMIT_S = 36_000.0
_KEPT_BYTES = 256 * 1024
_OURS = frozenset({"WORKFLOW_NAME", "WORKFLOWS_RUN_ID", "CLOUD_RUN_EXECUTION"})


def check() -> None:
    """See that flow steps can be run here.

    Raises:
        SettingsInvalid: they are to run as Cloud Run Jobs, or somewhere unheard of.
    """
    where = environment.variable(LOCATION) or "local"
    if where == "local":
        return
    why = (
        "running flow steps as Cloud Run Jobs is not configured in this version"
        if where == "cloud"
        else "there is `local` only"
    )
    raise SettingsInvalid(f"{LOCATION}={where!r} cannot be used", why=why, fix="set it to local")


async def run(flow: FlowCall, timeout_s: float | None, _key: str) -> str:
    """Run the flow to its end; what went wrong, or nothing.

    Its environment is ours without the name and id of this run. Cancelling kills its whole group.
    """
    env = {name: value for name, value in environment.whole().items() if name not in _OURS}
    words = [sys.executable, "-m", "workflows", "run", flow.workflow, "--json", "--quiet"]
    words += [
        f"--{name.replace('_', '-')}={_text(value)}" for name, value in flow.parameters.items()
    ]
    limit_s = _LIMIT_S if timeout_s is None else timeout_s
    async with process.streaming(words, env=env) as child:
        assert child.stdin is not None  # noqa: S101 - streaming() makes three pipes
        child.stdin.close()
        try:
            async with asyncio.timeout(limit_s):
                out, err = await asyncio.gather(_tail(child.stdout), _tail(child.stderr))
                code = await child.wait()
        except TimeoutError:
            return f"the flow {flow.workflow} took longer than {limit_s:g} s and was ended"
    return "" if code == 0 else _problem(flow.workflow, code, out, err)


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


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)
