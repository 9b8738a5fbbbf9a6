"""The rules between steps: ids are unique, dependencies exist. Costs O(steps + edges)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.dag.file.checks.cycles import cycle_problems
from workflows.dag.file.checks.job_ids import job_id_problems, unknown_step_fix
from workflows.dag.file.findings import Problem
from workflows.dag.file.model import When
from workflows.dag.file.order import topological_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workflows.dag.file.model import Step

_MAX_GUESSES = 50  # finding the nearest of 100,000 names takes a second
Dependencies = tuple[int, ...]
"""The dependencies of one step, as places in the file."""


def check_dependencies(steps: Sequence[Step]) -> tuple[list[Dependencies], list[Problem]]:
    """The dependencies of each step as places, and everything that is wrong between steps."""
    ids = [step.id for step in steps]
    needs = [step.depends_on for step in steps]
    places = dict(zip(ids, range(len(ids)), strict=True))
    found: list[Problem] = []
    if len(places) < len(steps):
        found += _duplicates(steps)
        places = {step.id: index for index, step in reversed(list(enumerate(steps)))}
    places.pop("", None)
    edges, odd, in_order = _edges(ids, needs, places)
    found += _wrong_names(steps, odd, places)
    order: Sequence[int] = range(len(steps))
    if not in_order:
        order = topological_order(edges)
        found += cycle_problems(steps, edges, set(range(len(steps))).difference(order))
    found += job_id_problems(steps, places, edges, order)
    return edges, found


def _edges(
    ids: list[str], needs: list[tuple[str, ...]], places: dict[str, int]
) -> tuple[list[Dependencies], list[int], bool]:
    """Each step's dependencies, the odd steps, and whether all dependencies come before a step.

    Unknown names and the step's own are left out. A step is odd if it has such a name, has a name
    twice, or has no dependency; only odd steps can have a mistake here.
    """
    edges: list[Dependencies] = []
    odd = []
    in_order = True
    place = places.get
    for index, names in enumerate(needs):
        if not names:
            odd.append(index)
            edges.append(())
            continue
        below: tuple[Any, ...] = tuple(map(place, names))
        apart = set(below)
        if len(apart) < len(names) or None in apart or place(ids[index]) in apart:
            odd.append(index)
            own = ids[index]
            below = tuple([places[one] for one in names if one in places and one != own])
        edges.append(below)
        in_order = in_order and max(below, default=0) < index
    return edges, odd, in_order


def _duplicates(steps: Sequence[Step]) -> Iterator[Problem]:
    places: dict[str, int] = {}
    for index, step in enumerate(steps):
        first = places.setdefault(step.id, index)
        if first != index and step.id:
            where = f"it is the id of step number {first + 1} too"
            at = ("steps", index, "id")
            yield Problem(at, "duplicate id", where, step=step.id)


def _wrong_names(
    steps: Sequence[Step], odd: list[int], places: dict[str, int]
) -> Iterator[Problem]:
    guesses = 0
    for index in odd:
        step = steps[index]
        if not step.depends_on and step.when is When.ON_FAILURE:
            says = "`when: on_failure` without a dependency that could fail"
            at = ("steps", index, "when")
            yield Problem(at, says, "name it in `dependsOn`", step=step.id)
        seen: set[str] = set()
        for place, name in enumerate(step.depends_on):
            if not name:
                continue
            path = ("steps", index, "dependsOn", place)
            if name in seen:
                yield Problem(path, f"depends on {name!r} twice", "name it once", step=step.id)
            elif name == step.id:
                yield Problem(path, "depends on itself", "take it out", step=step.id)
            elif name not in places:
                guesses += 1
                fix = unknown_step_fix(name, places if guesses <= _MAX_GUESSES else ())
                yield Problem(path, f"depends on unknown step {name!r}", fix, step=step.id)
            seen.add(name)
