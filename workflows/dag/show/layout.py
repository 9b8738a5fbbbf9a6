"""Where each step of a picture goes: a row by its depth, a column near its dependencies. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workflows.dag.file.order import dependents_of, topological_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.dag.file.model import Step

_SWEEPS = 6


class Layout(NamedTuple):
    """Row (from 0, downwards) and column (fractions allowed) of each step by its id."""

    places: Mapping[str, tuple[int, float]]
    rows: int
    columns: int


def layout(steps: Sequence[Step]) -> Layout:
    """A row for each depth, each row ordered so that few arrows cross (the barycentre method).

    The depth of a step is the length of the longest chain of dependencies above it. Dependencies
    that are not among `steps` are ignored.
    """
    number = {step.id: index for index, step in enumerate(steps)}
    dependencies = [[number[one] for one in step.depends_on if one in number] for step in steps]
    dependents = dependents_of(dependencies)
    rows = _rows(dependencies, dependents)
    _sweep(rows, dependencies, dependents)
    columns = max((len(row) for row in rows), default=0)
    places = {
        steps[step].id: (depth, index + (columns - len(row)) / 2)
        for depth, row in enumerate(rows)
        for index, step in enumerate(row)
    }
    return Layout(places, len(rows), columns)


def _rows(dependencies: list[list[int]], dependents: list[list[int]]) -> list[list[int]]:
    depth = [0] * len(dependencies)
    for step in topological_order(dependencies, dependents):
        depth[step] = max((depth[one] + 1 for one in dependencies[step]), default=0)
    rows: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for step, row in enumerate(depth):
        rows[row].append(step)
    return rows


def _sweep(
    rows: list[list[int]], dependencies: list[list[int]], dependents: list[list[int]]
) -> None:
    """Reorder all rows several times, downwards by what is above and upwards by what is below."""
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            _reorder(row, rows, dependencies if down else dependents)


def _reorder(row: list[int], rows: list[list[int]], near: list[list[int]]) -> None:
    """Sort a row by the mean place of each step's neighbours; ties keep their order."""
    wanted = {one for step in row for one in near[step]}
    place = {
        step: (index + 0.5) / len(other)
        for other in rows
        for index, step in enumerate(other)
        if step in wanted
    }
    own = {step: (index + 0.5) / len(row) for index, step in enumerate(row)}

    def mean_place(step: int) -> float:
        found = [place[one] for one in near[step]]
        return sum(found) / len(found) if found else own[step]

    row.sort(key=mean_place)
