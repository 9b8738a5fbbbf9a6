"""Templates with job ids: each names a step that has a job when the template is filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.nearest import nearest
from workflows.dag.file.findings import Problem
from workflows.dag.file.templates import Template, referenced_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from workflows.dag.file.model import Step

_BATCH = 2048


def job_id_problems(
    steps: Sequence[Step],
    places: dict[str, int],
    edges: list[tuple[int, ...]],
    order: Sequence[int],
) -> Iterator[Problem]:
    """A mistake for each template with the job id of a step that is no dependency.

    The job of such a step may not exist yet when the template is filled in.
    """
    doubtful: list[tuple[int, int, int]] = []  # step, arg, step it names
    for index, step in enumerate(steps):
        if step.task is None or Template not in map(type, step.task.args):
            continue
        own = set(edges[index])
        for arg, text in enumerate(step.task.args):
            for name in referenced_steps((text,)):
                path = ("steps", index, "task", "args", arg)
                wrong = _wrong_name(name, steps, places)
                if wrong is not None:
                    yield Problem(path, *wrong, step=step.id)
                elif places[name] not in own:
                    doubtful.append((index, arg, places[name]))
    for index, arg, other in _unreached(doubtful, edges, order):
        step, name = steps[index], steps[other].id
        path = ("steps", index, "task", "args", arg)
        says = f"needs the job id of {name!r}, which it does not depend on"
        yield Problem(path, says, f"add {name!r} to `dependsOn`", step=step.id)


def _wrong_name(name: str, steps: Sequence[Step], places: dict[str, int]) -> tuple[str, str] | None:
    """Why the name is not that of a step with jobs, and the fix; None if it is."""
    if name not in places:
        return f"template of unknown step {name!r}", unknown_step_fix(name, places)
    if steps[places[name]].task is None:
        return f"step {name!r} is a flow, which has no job id", "name a step with a task"
    return None


def unknown_step_fix(name: str, ids: Iterable[str]) -> str:
    """What to do about a name that is no step's id: use the one of `ids` that is similar."""
    close = nearest(name, ids)
    return f"did you mean {close!r}?" if close else "there is no step with this id"


def _unreached(
    doubtful: list[tuple[int, int, int]], edges: list[tuple[int, ...]], order: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Those whose named step is no indirect dependency either.

    A bit for each named step is passed down the DAG, a batch of them at a time.
    """
    named = sorted({other for _, _, other in doubtful})
    for start in range(0, len(named), _BATCH):
        bits = {index: 1 << bit for bit, index in enumerate(named[start : start + _BATCH])}
        below = _passed_down(bits, edges, order)
        ordered = set(order)
        for reference in doubtful:
            index, _, other = reference
            # a step in or below a cycle is reported as such already
            if other in bits and index in ordered:
                own = bits.get(index, 0) if index == other else 0
                if not (below[index] & ~own) & bits[other]:
                    yield reference


def _passed_down(
    bits: dict[int, int], edges: list[tuple[int, ...]], order: Sequence[int]
) -> list[int]:
    """The bits of each step and of all its dependencies, direct or not."""
    below = [0] * len(edges)
    for index in order:
        mask = bits.get(index, 0)
        for other in edges[index]:
            mask |= below[other]
        below[index] = mask
    return below
