"""The order in which the steps of a DAG can run: the one topological sort. Pure.

Steps are numbers, their places in the file. Both functions cost O(steps + edges).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def dependents_of(dependencies: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each step the steps that depend on it directly.

    Raises:
        ValueError: a dependency that does not exist.
    """
    size = len(dependencies)
    dependents: list[list[int]] = [[] for _ in range(size)]
    for step, needed in enumerate(dependencies):
        for one in needed:
            if not 0 <= one < size:
                raise ValueError(f"step {step} depends on {one}, which does not exist")
            dependents[one].append(step)
    return dependents


def topological_order(
    dependencies: Sequence[Sequence[int]], dependents: Sequence[Sequence[int]] | None = None
) -> list[int]:
    """The steps, each after all its dependencies; steps in or below a cycle are left out.

    `dependents` saves the time to compute `dependents_of(dependencies)` again.
    """
    if dependents is None:
        dependents = dependents_of(dependencies)
    missing = [len(needed) for needed in dependencies]
    order = [step for step, count in enumerate(missing) if not count]
    for step in order:  # the list grows during the loop
        for dependent in dependents[step]:
            missing[dependent] -= 1
            if not missing[dependent]:
                order.append(dependent)
    return order
