"""Which running steps are polled closely, because other steps wait for them. Pure.

Each waiting step has one watch target: a dependency of it that has not ended. When the target has
ended, another dependency takes its place. Then 1, 2, 4, … other dependencies are polled at once
(the probe fan-out), until one is still running. The run's end is treated as a step that depends on
all last steps. All this costs O(edges) in a run, and next to nothing while jobs are too short to
need planned polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.dag.engine.scheduler import StepGraph

_MAX_FAN_OUT = 64


class WatchTargets:
    """Which step waits for which target. Call `step_over` or `step_over_later` once for each end.

    The calls must be in the order of the ends, since the fan-out depends on it.
    """

    def __init__(self, graph: StepGraph) -> None:
        last_steps = [step for step in range(graph.size) if not graph.dependents[step]]
        self._needs: list[Sequence[int]] = [*graph.dependencies, last_steps]
        self._ended = bytearray(graph.size)  # without the ends in `_postponed`
        self._position = [0] * (graph.size + 1)  # of the target, in `_needs`
        self._fan_out = [2] * (graph.size + 1)  # how many to probe when the target has ended
        self._waiting_for: dict[int, list[int]] = {}
        for step, needs in enumerate(self._needs):
            if needs:
                self._waiting_for.setdefault(needs[0], []).append(step)
        self._postponed: list[int] = []
        self.step_over_later = self._postponed.append
        """A step has ended, and no polls are planned: new targets are found when needed."""

    def is_target(self, step: int) -> bool:
        """Whether a step, or the end of the run, has this step as its watch target."""
        self._catch_up()
        return step in self._waiting_for

    def step_over(self, step: int) -> list[int]:
        """A step has ended; the steps to probe now, new targets among them."""
        self._catch_up()
        return self._find_new_targets(step)

    def alive(self, step: int) -> None:
        """A poll has found this step running: those that wait for it need no wider fan-out."""
        self._catch_up()
        for waiting in self._waiting_for.get(step, ()):
            self._fan_out[waiting] = 1

    def _catch_up(self) -> None:
        """Process the postponed ends one by one, in order."""
        if self._postponed:
            for step in self._postponed:
                self._find_new_targets(step)
            self._postponed.clear()

    def _find_new_targets(self, step: int) -> list[int]:
        """Give each step whose target has ended a new one; the steps to probe."""
        probes: list[int] = []
        ended, positions = self._ended, self._position
        ended[step] = 1
        for waiting in self._waiting_for.pop(step, ()):
            needs, at = self._needs[waiting], positions[waiting] + 1
            while at < len(needs) and ended[needs[at]]:
                at += 1
            positions[waiting] = at
            if at < len(needs):
                probes += self._watch(waiting, needs, at)
        return probes

    def _watch(self, waiting: int, needs: Sequence[int], at: int) -> list[int]:
        """Make this dependency the target; the steps to probe: it and some of those after it."""
        others = self._waiting_for.get(needs[at])
        if others is None:
            self._waiting_for[needs[at]] = [waiting]
        else:
            others.append(waiting)
        fan_out = self._fan_out[waiting]
        self._fan_out[waiting] = min(2 * fan_out, _MAX_FAN_OUT)
        return [one for one in needs[at : at + fan_out] if not self._ended[one]]


class LevelSlack:
    """How much time a step has, in levels of the graph: fewer levels below it mean more time.

    `ended` is 1 for each step that has ended; the caller keeps it up to date. The levels are
    counted at the first call, which costs O(steps + edges).
    """

    def __init__(self, graph: StepGraph, ended: bytearray) -> None:
        self._graph = graph
        self._ended = ended
        self._below: list[int] = []
        self._steps_at: list[list[int]] = []

    def levels(self, step: int) -> int:
        """How many levels fewer are below this step than below any step that has not ended."""
        if not self._below:
            self._count()
        levels, ended = self._steps_at, self._ended
        while levels:
            highest = levels[-1]
            while highest and ended[highest[-1]]:
                highest.pop()
            if highest:
                break
            levels.pop()
        return max(0, len(levels) - 1 - self._below[step])

    def _count(self) -> None:
        graph = self._graph
        below = self._below = [0] * graph.size
        for step in reversed(graph.order):
            level = 0
            for other in graph.dependents[step]:
                if below[other] >= level:
                    level = below[other] + 1
            below[step] = level
        self._steps_at = [[] for _ in range(max(below) + 1)]
        for step, level in enumerate(below):
            self._steps_at[level].append(step)
