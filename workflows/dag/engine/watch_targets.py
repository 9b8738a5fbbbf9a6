"""Which running steps somebody waits for. Pure.

Each waiting step watches one of its unfinished dependencies; when that has ended the others are
looked at at once, 1, 2, 4, … at a time, until one is found running: that is watched next. The end
of the run waits for the last steps in the same way. Costs O(edges) in all, and next to nothing
while jobs take so little time that nobody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.dag.engine.scheduler import Graph

_MOST_AT_ONCE = 64


class WatchTargets:
    """Who watches whom; to be told of each end once, in order, by `over` or by `later`."""

    def __init__(self, graph: Graph) -> None:
        sinks = [step for step in range(graph.size) if not graph.dependents[step]]
        self._needs: list[Sequence[int]] = [*graph.dependencies, sinks]
        self._ended = bytearray(graph.size)  # its own: as it was when the end in hand came
        self._at = [0] * (graph.size + 1)
        self._burst = [2] * (graph.size + 1)  # how many to look at when the first has ended
        self._watchers: dict[int, list[int]] = {}
        for step, needs in enumerate(self._needs):
            if needs:
                self._watchers.setdefault(needs[0], []).append(step)
        self._backlog: list[int] = []
        self.later = self._backlog.append
        """A step has ended, and nobody would look at others now: who turns to them can wait."""

    def watched(self, step: int) -> bool:
        """Whether somebody waits for this step first of all."""
        self._catch_up()
        return step in self._watchers

    def over(self, step: int) -> list[int]:
        """A step has ended: who watched it turns to others, which are to be looked at now."""
        self._catch_up()
        return self._turned(step)

    def alive(self, step: int) -> None:
        """A look has found this step running: the hunt of those who watch it is over."""
        self._catch_up()
        for waiting in self._watchers.get(step, ()):
            self._burst[waiting] = 1

    def _catch_up(self) -> None:
        """Do what was left for later, end by end: how wide a hunt is depends on their order."""
        if self._backlog:
            for step in self._backlog:
                self._turned(step)
            self._backlog.clear()

    def _turned(self, step: int) -> list[int]:
        """Whom they who watched this step turn to, now that it has ended."""
        found: list[int] = []
        ended, places = self._ended, self._at
        ended[step] = 1
        for waiting in self._watchers.pop(step, ()):
            needs, at = self._needs[waiting], places[waiting] + 1  # that one has ended
            while at < len(needs) and ended[needs[at]]:
                at += 1
            places[waiting] = at
            if at < len(needs):
                found += self._turn(waiting, needs, at)
        return found

    def _turn(self, waiting: int, needs: Sequence[int], at: int) -> list[int]:
        """Watch the next unfinished dependency; that one and more, as many as the hunt is wide."""
        watchers = self._watchers.get(needs[at])
        if watchers is None:
            self._watchers[needs[at]] = [waiting]
        else:
            watchers.append(waiting)
        burst = self._burst[waiting]
        self._burst[waiting] = min(2 * burst, _MOST_AT_ONCE)
        return [one for one in needs[at : at + burst] if not self._ended[one]]


class LevelSlack:
    """How far a step is ahead of others: what has fewer steps below it has more time.

    Counted when first asked for; costs O(steps + edges) in all.
    """

    def __init__(self, graph: Graph, ended: bytearray) -> None:
        self._graph = graph
        self._ended = ended
        self._below: list[int] = []
        self._open: list[list[int]] = []

    def ahead(self, step: int) -> int:
        """How many levels fewer are below this step than below some step that has not ended."""
        if not self._below:
            self._count()
        levels, ended = self._open, self._ended
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
        self._open = [[] for _ in range(max(below) + 1)]
        for step, level in enumerate(below):
            self._open[level].append(step)
