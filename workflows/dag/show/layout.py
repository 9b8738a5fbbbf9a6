"""Where each step of a picture goes: a row by its depth, a column near its dependencies. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    """The layers of the longest path, each ordered to cross few arrows (the barycentre method).

    Dependencies that are not among `steps` count for nothing.
    """
    below = {step.id: list(step.depends_on) for step in steps}
    for name, ids in below.items():
        below[name] = [one for one in ids if one in below]
    above: dict[str, list[str]] = {name: [] for name in below}
    for name, ids in below.items():
        for one in ids:
            above[one].append(name)
    rows = _rows(below, above)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            _reorder(row, rows, below if down else above)
    columns = max((len(row) for row in rows), default=0)
    places = {
        name: (depth, index + (columns - len(row)) / 2)
        for depth, row in enumerate(rows)
        for index, name in enumerate(row)
    }
    return Layout(places, len(rows), columns)


def _rows(below: Mapping[str, list[str]], above: Mapping[str, list[str]]) -> list[list[str]]:
    depth = {name: 0 for name, ids in below.items() if not ids}
    missing = {name: len(ids) for name, ids in below.items()}
    order = list(depth)
    for name in order:  # it grows meanwhile
        for other in above[name]:
            depth[other] = max(depth.get(other, 0), depth[name] + 1)
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in below:
        rows[depth[name]].append(name)
    return rows


def _reorder(row: list[str], rows: list[list[str]], near: Mapping[str, list[str]]) -> None:
    """Sort one row by the middle of what each step is tied to; ties keep their order."""
    wanted = {one for name in row for one in near[name]}
    place = {
        name: (index + 0.5) / len(other)
        for other in rows
        for index, name in enumerate(other)
        if name in wanted
    }
    own = {name: (index + 0.5) / len(row) for index, name in enumerate(row)}

    def middle(name: str) -> float:
        found = [place[one] for one in near[name]]
        return sum(found) / len(found) if found else own[name]

    row.sort(key=middle)
