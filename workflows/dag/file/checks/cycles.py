"""Cycles: steps that wait for each other, found as strongly connected components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.dag.file.findings import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workflows.dag.file.model import Step

_MAX_NAMED = 12


def cycle_problems(
    steps: Sequence[Step], edges: list[tuple[int, ...]], rest: set[int]
) -> Iterator[Problem]:
    """A mistake for each strongly connected component: the shortest cycle of its first step.

    `rest` are the steps in or below a cycle.
    """
    for component in _components(edges, rest):
        start = min(component)
        cycle = _shortest_cycle(edges, start, set(component))
        names = [steps[index].id for index in cycle]
        if len(names) > _MAX_NAMED:
            half = _MAX_NAMED // 2
            left_out = len(names) - 2 * half
            names[half:-half] = [f"… {left_out:,} more …"]
        first = steps[start]
        place = next(
            number for number, name in enumerate(first.depends_on) if name == steps[cycle[1]].id
        )
        more = len(component) - (len(cycle) - 1)
        yield Problem(
            ("steps", start, "dependsOn", place),
            f"steps wait for each other: {' -> '.join(names)}",
            f"take one of these dependencies out ({more:,} more steps are tied in with them)"
            if more
            else "take one of these dependencies out",
            step=first.id,
        )


def _components(edges: list[tuple[int, ...]], within: set[int]) -> Iterator[list[int]]:
    """The strongly connected components of more than one step (Tarjan, without recursion)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    done: set[int] = set()
    for index, entered in _depth_first(edges, within):
        if entered:
            number[index] = len(number)
            path.append(index)
            continue
        # a step that is not finished has no low number yet; its own number will do
        below = (one for one in edges[index] if one in within and one not in done)
        low[index] = min([number[index], *(low.get(one, number[one]) for one in below)])
        if low[index] == number[index]:
            component = _cut_off(path, index)
            done.update(component)
            if len(component) > 1:
                yield component


def _depth_first(edges: list[tuple[int, ...]], within: set[int]) -> Iterator[tuple[int, bool]]:
    """Each step twice: with True when the search enters it, with False when it leaves it."""
    seen: set[int] = set()
    for start in sorted(within):
        work = [(start, iter(edges[start]))] if start not in seen else []
        while work:
            index, others = work[-1]
            if index not in seen:
                seen.add(index)
                yield index, True
            fresh = next((one for one in others if one in within and one not in seen), None)
            if fresh is not None:
                work.append((fresh, iter(edges[fresh])))
                continue
            work.pop()
            yield index, False


def _cut_off(path: list[int], index: int) -> list[int]:
    """Remove the end of the path, from `index` on, and return it."""
    cut = [path.pop()]
    while cut[-1] != index:
        cut.append(path.pop())
    return cut


def _shortest_cycle(edges: list[tuple[int, ...]], start: int, component: set[int]) -> list[int]:
    """The shortest way from `start` along dependencies back to it, both ends included."""
    came_from: dict[int, int] = {}
    queue = [start]
    for index in queue:  # the list grows during the loop
        for other in edges[index]:
            if other == start:
                cycle = [start, index]
                while cycle[-1] != start:
                    cycle.append(came_from[cycle[-1]])
                return cycle[::-1] if len(cycle) > 1 else cycle
            if other in component and other not in came_from:
                came_from[other] = index
                queue.append(other)
    raise AssertionError  # there is a way back within a component
