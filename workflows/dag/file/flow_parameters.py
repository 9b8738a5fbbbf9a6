"""What flow steps ask of flows, checked by the list of all flows' parameters. Needs no flow.

The list is `workflows/trigger/catalog.json`, which is generated from the flows and by which the
Cloud Functions check messages too. What values may be beyond their kind is the flow's to say.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workflows.trigger
from workflows.core.nearest import nearest
from workflows.dag.file.findings import Problem, ValuePath
from workflows.trigger import dispatch, message

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from workflows.dag.file.model import FlowCall, Step

_VALUE = 4  # ("steps", 3, "parameters", "git_url")


@cache
def known() -> dispatch.Parameters:
    """Of each flow, of each parameter: its kind, and whether it is required."""
    file = Path(workflows.trigger.__file__).with_name("catalog.json")
    found: dispatch.Parameters = json.loads(file.read_text(encoding="utf-8"))
    return found


def given(flow: FlowCall) -> dict[str, Any]:
    """The parameters by the flow's own names; nothing (`null`) stands for not given."""
    return {
        name.replace("-", "_"): value
        for name, value in flow.parameters.items()
        if value is not None
    }


def problems(steps: Iterable[Step], found: Iterable[Problem]) -> list[Problem]:
    """What is wrong with the flow steps; where a value is known to be wrong nothing is added.

    A template without a value is in `found`, so that what it will become is not judged.
    """
    wrong = {path for problem in found for path in (problem.path, problem.path[:_VALUE])}
    return [
        problem._replace(step=step.id)
        for index, step in enumerate(steps)
        if step.flow is not None
        for problem in _of_step(("steps", index), step.flow, wrong)
        if problem.path not in wrong
    ]


def _of_step(path: ValuePath, flow: FlowCall, wrong: Container[ValuePath]) -> Iterator[Problem]:
    name, at, inside = flow.workflow, (*path, "workflow"), (*path, "parameters")
    takes = known().get(name.replace("-", "_"))
    if takes is None:
        close = nearest(name, known())
        fix = f"did you mean {close!r}?" if close else f"there are {', '.join(known())}"
        yield Problem(at, f"there is no flow {name[:60]!r}", fix)
        return
    if inside in wrong:
        return
    values = given(flow)
    lacking = [one for one, facts in takes.items() if facts.get("required") and one not in values]
    if lacking:
        says = f"the flow {name} needs {', '.join(map(repr, lacking))}"
        at = inside if flow.parameters else at
        yield Problem(at, says, "give it in `parameters`", at_key=True)
    yield from _of_values(inside, flow, takes)
    for finding in message.check_values(values):
        yield Problem(inside, f"the parameter {finding}", at_key=True)


def _of_values(
    path: ValuePath, flow: FlowCall, takes: Mapping[str, dict[str, Any]]
) -> Iterator[Problem]:
    seen = set()
    for spelt, value in flow.parameters.items():
        name, at = spelt.replace("-", "_"), (*path, spelt)
        if name not in takes:
            close = nearest(name, takes)
            fix = f"did you mean {close!r}?" if close else f"there are {', '.join(takes)}"
            says = f"the flow {flow.workflow} has no parameter {spelt[:60]!r}"
            yield Problem(at, says, fix, at_key=True)
        elif name in seen:
            says = f"the parameter {name!r} is there in two spellings"
            yield Problem(at, says, "keep one of them", at_key=True)
        elif value is not None and (says := dispatch.misfit(value, takes[name].get("kind", ""))):
            yield Problem(at, f"{spelt!r} {says}")
        seen.add(name)
