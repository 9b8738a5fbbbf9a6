"""The rules between steps: unique ids, dependencies that exist, no cycle. O(steps + edges)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.core.nearest import nearest
from workflows.dag.file.findings import Problem
from workflows.dag.file.model import When
from workflows.dag.file.order import topological_order
from workflows.dag.file.templates import Template, referenced_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workflows.dag.file.model import Step

_MAX_GUESSES = 50  # looking for the nearest of 100,000 names takes a second each
_MAX_NAMED = 12
_BATCH = 2048
Places = tuple[int, ...]
"""Where the dependencies of one step are."""


def edges_and_problems(steps: Sequence[Step]) -> tuple[list[Places], list[Problem]]:
    """The places of each step's dependencies, and everything that is wrong between the steps."""
    ids = [step.id for step in steps]
    needs = [step.depends_on for step in steps]
    places = dict(zip(ids, range(len(ids)), strict=True))
    found: list[Problem] = []
    if len(places) < len(steps):
        found += _duplicates(steps)
        places = {step.id: index for index, step in reversed(list(enumerate(steps)))}
    places.pop("", None)
    edges, odd, in_order = _edges(ids, needs, places)
    found += _dependencies(steps, odd, places)
    order: Sequence[int] = range(len(steps))
    if not in_order:
        order = topological_order(edges)
        found += _cycles(steps, edges, set(range(len(steps))).difference(order))
    found += _references(steps, places, edges, order)
    return edges, found


def _edges(
    ids: list[str], needs: list[tuple[str, ...]], places: dict[str, int]
) -> tuple[list[Places], list[int], bool]:
    """Where each step's dependencies are, the steps to look at, and whether none comes later.

    What is unknown or the step itself is left out. To look at are the steps with such a name, with
    one that is there twice, or without any.
    """
    edges: list[Places] = []
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


def _dependencies(
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
                close = nearest(name, places) if guesses <= _MAX_GUESSES else None
                fix = f"did you mean {close!r}?" if close else "there is no step with this id"
                yield Problem(path, f"depends on unknown step {name!r}", fix, step=step.id)
            seen.add(name)


def _cycles(steps: Sequence[Step], edges: list[Places], rest: set[int]) -> Iterator[Problem]:
    """One cycle for each knot of steps that wait for each other, the shortest of its first step."""
    for knot in _knots(edges, sorted(rest), rest):
        start = min(knot)
        ring = _ring(edges, start, set(knot))
        names = [steps[index].id for index in ring]
        if len(names) > _MAX_NAMED:
            half = _MAX_NAMED // 2
            left_out = len(names) - 2 * half
            names[half:-half] = [f"… {left_out:,} more …"]
        first = steps[start]
        place = next(
            number for number, name in enumerate(first.depends_on) if name == steps[ring[1]].id
        )
        more = len(knot) - (len(ring) - 1)
        yield Problem(
            ("steps", start, "dependsOn", place),
            f"steps wait for each other: {' -> '.join(names)}",
            f"take one of these dependencies out ({more:,} more steps are tied in with them)"
            if more
            else "take one of these dependencies out",
            step=first.id,
        )


def _knots(edges: list[Places], starts: list[int], within: set[int]) -> Iterator[list[int]]:
    """The strongly connected parts of more than one step (Tarjan, without recursion)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    done: set[int] = set()
    for start in starts:
        work = [(start, iter(edges[start]))] if start not in number else []
        while work:
            index, others = work[-1]
            if index not in number:
                number[index] = len(number)
                path.append(index)
            fresh = next((one for one in others if one in within and one not in number), None)
            if fresh is not None:
                work.append((fresh, iter(edges[fresh])))
                continue
            work.pop()
            # what is open still has its number only, and that will do
            below = (one for one in edges[index] if one in within and one not in done)
            low[index] = min([number[index], *(low.get(one, number[one]) for one in below)])
            if low[index] == number[index]:
                knot = _cut_off(path, index)
                done.update(knot)
                if len(knot) > 1:
                    yield knot


def _cut_off(path: list[int], index: int) -> list[int]:
    """Take the end of the path off, from `index` on."""
    knot = [path.pop()]
    while knot[-1] != index:
        knot.append(path.pop())
    return knot


def _ring(edges: list[Places], start: int, knot: set[int]) -> list[int]:
    """The shortest way from `start` along dependencies back to it, both ends included."""
    came_from: dict[int, int] = {}
    queue = [start]
    for index in queue:  # it grows meanwhile
        for other in edges[index]:
            if other == start:
                ring = [start, index]
                while ring[-1] != start:
                    ring.append(came_from[ring[-1]])
                return ring[::-1] if len(ring) > 1 else ring
            if other in knot and other not in came_from:
                came_from[other] = index
                queue.append(other)
    raise AssertionError  # a knot has a way back


def _references(
    steps: Sequence[Step], places: dict[str, int], edges: list[Places], order: Sequence[int]
) -> Iterator[Problem]:
    """Templates that name a step which is no dependency, so that its job may not have begun."""
    doubtful: list[tuple[int, int, int]] = []  # step, arg, step it names
    for index, step in enumerate(steps):
        if step.task is None or Template not in map(type, step.task.args):
            continue
        own = set(edges[index])
        for arg, text in enumerate(step.task.args):
            for name in referenced_steps((text,)):
                path = ("steps", index, "task", "args", arg)
                other = places.get(name)
                if other is None:
                    close = nearest(name, places)
                    fix = f"did you mean {close!r}?" if close else "there is no step with this id"
                    yield Problem(path, f"template of unknown step {name!r}", fix, step=step.id)
                elif steps[other].task is None:
                    says = f"step {name!r} is a flow, which has no job id"
                    yield Problem(path, says, "name a step with a task", step=step.id)
                elif other not in own:
                    doubtful.append((index, arg, other))
    for index, arg, other in _unreached(doubtful, edges, order):
        step, name = steps[index], steps[other].id
        path = ("steps", index, "task", "args", arg)
        says = f"needs the job id of {name!r}, which it does not depend on"
        yield Problem(path, says, f"add {name!r} to `dependsOn`", step=step.id)


def _unreached(
    doubtful: list[tuple[int, int, int]], edges: list[Places], order: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Those whose named step is no indirect dependency either; a bit for each named step."""
    named = sorted({other for _, _, other in doubtful})
    for start in range(0, len(named), _BATCH):
        bits = {index: 1 << bit for bit, index in enumerate(named[start : start + _BATCH])}
        below = [0] * len(edges)
        for index in order:
            mask = bits.get(index, 0)
            for other in edges[index]:
                mask |= below[other]
            below[index] = mask
        ordered = set(order)
        for case in doubtful:
            index, _, other = case
            # a step in or below a cycle has been told of already
            if other in bits and index in ordered:
                own = bits.get(index, 0) if index == other else 0
                if not (below[index] & ~own) & bits[other]:
                    yield case
