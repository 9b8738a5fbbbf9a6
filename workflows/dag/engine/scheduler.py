"""Which steps may start and which are skipped: states, dependencies, critical path. Pure.

A step is its number in the file's order. Everything is in lists, and a run costs O(steps + edges).
The engine does what needs time or the network.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workflows.dag.file.model import When
from workflows.dag.file.order import dependents_of, topological_order
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Sequence


# once, since looking up an enum's member is slow
_WAITING, _READY, _RUNNING, _SUCCEEDED = (
    StepState.WAITING,
    StepState.READY,
    StepState.RUNNING,
    StepState.SUCCEEDED,
)
_BAD = frozenset(
    {StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED}
)  # a run with one has failed


class StepGraph:
    """The dependencies and the dependents of every step, as numbers.

    Raises:
        ValueError: a dependency does not exist, or there is a cycle; a loaded file has neither.
    """

    def __init__(self, dependencies: Sequence[Sequence[int]]) -> None:
        self.size = len(dependencies)
        self.dependencies = dependencies
        self.dependents = dependents_of(dependencies)
        self.order = topological_order(dependencies, self.dependents)
        if len(self.order) != self.size:
            raise ValueError("the dependencies form a cycle")

    def critical_path(self, durations_s: Sequence[float]) -> tuple[float, list[int]]:
        """The length of the longest path, in seconds, and its steps from first to last."""
        best = [0.0] * self.size
        came_from = [-1] * self.size
        for step in self.order:
            needed = self.dependencies[step]
            longest = 0.0
            for one in needed:
                if best[one] > longest or came_from[step] < 0:
                    longest, came_from[step] = best[one], one
            best[step] = longest + durations_s[step]
        if not self.size:
            return 0.0, []
        step = max(range(self.size), key=best.__getitem__)
        length, path = best[step], []
        while step >= 0:
            path.append(step)
            step = came_from[step]
        return length, path[::-1]


ReadyAndSkipped = tuple[list[int], list[int]]
"""Steps that may start now, and steps that are over without running; each is reported once."""


class Scheduler:
    """The states of all steps of one run; `over` counts the steps that are over.

    `ready` gives the steps that may start first, `ended` those that may start after an end.
    """

    def __init__(
        self, graph: StepGraph, when: Sequence[When] | None = None, *, stop_on_failure: bool = False
    ) -> None:
        self.graph = graph
        self._below = graph.dependents
        self.states = [StepState.WAITING] * graph.size
        self.over = 0
        self._when = when or [When.ON_SUCCESS] * graph.size
        self._left = [len(needed) for needed in graph.dependencies]
        self._bad = bytearray(graph.size)  # a dependency failed, or was skipped after a failure
        self._unneeded = bytearray(graph.size)  # a dependency was not needed
        self._stop_on_failure = stop_on_failure
        self._stopped = False
        self._skips_possible = any(one is not When.ON_SUCCESS for one in self._when)
        """Whether a step may be skipped, or not needed, when its dependencies have ended."""

    @property
    def counts(self) -> dict[StepState, int]:
        """How many steps are in each state. Costs O(steps)."""
        counted = Counter(self.states)
        return {state: counted[state] for state in StepState}

    @property
    def finished(self) -> bool:
        """Whether every step is over."""
        return self.over == self.graph.size

    @property
    def succeeded(self) -> bool:
        """Whether no step failed, was cancelled, or was skipped after a failure."""
        return _BAD.isdisjoint(self.states)

    def ready(self) -> ReadyAndSkipped:
        """The steps without dependencies. Call it once, before anything else.

        Such a step that runs on failures only is skipped, and steps that depend on it may be too.
        """
        change: ReadyAndSkipped = ([], [])
        for step in range(self.graph.size):
            if not self._left[step] and self.states[step] is StepState.WAITING:
                self._decide(step, change)
        self._update_below_skipped(change)
        return change

    def started(self, step: int) -> None:
        """An attempt of a ready step begins."""
        self.states[step] = _RUNNING

    def again(self, step: int) -> None:
        """A running step waits for another attempt."""
        self.states[step] = StepState.READY

    def ended(self, step: int, state: StepState) -> ReadyAndSkipped:
        """A running or ready step is over; which steps may start now, and which are skipped.

        Raises:
            ValueError: the state is not final, or the step is over already.
        """
        states = self.states
        before = states[step]
        if state < _SUCCEEDED or before >= _SUCCEEDED:
            raise ValueError(f"step {step}: {before.name} cannot become {state.name}")
        states[step] = state
        self.over += 1
        if self._skips_possible or state is not _SUCCEEDED:
            return self._ended_with_skips(step, state)
        left = self._left
        ready = []
        for below in self._below[step]:
            left[below] = waits = left[below] - 1
            if not waits:  # it is waiting, since no step is skipped before a failure
                states[below] = _READY
                ready.append(below)
        return ready, []

    def _ended_with_skips(self, step: int, state: StepState) -> ReadyAndSkipped:
        """The same as `ended` if steps may be skipped."""
        change: ReadyAndSkipped = ([], [])
        if state is not _SUCCEEDED:
            self._skips_possible = True
            if self._stop_on_failure and not self._stopped:
                self._skip_rest(change)
            self._update_dependents(step, change)
        else:
            for below in self._below[step]:
                self._left[below] -= 1
                if not self._left[below] and self.states[below] is _WAITING:
                    self._decide(below, change)
        self._update_below_skipped(change)
        return change

    def _update_below_skipped(self, change: ReadyAndSkipped) -> None:
        """Update the dependents of skipped steps, and of those that are skipped because of that."""
        for step in change[1]:  # it grows during the loop
            self._update_dependents(step, change)

    def _update_dependents(self, step: int, change: ReadyAndSkipped) -> None:
        """Update the dependents of a step that is over without success."""
        bad = self.states[step] in _BAD
        for below in self._below[step]:
            self._left[below] -= 1
            if bad:
                self._bad[below] = 1
            else:
                self._unneeded[below] = 1
            if not self._left[below] and self.states[below] is StepState.WAITING:
                self._decide(below, change)

    def _decide(self, step: int, change: ReadyAndSkipped) -> None:
        """All dependencies of the step are over: it is ready, or over without running."""
        when = self._when[step]
        if when is When.ON_SUCCESS:
            if self._bad[step] or self._stopped:
                self._skip(step, StepState.SKIPPED, change)
                return
            if self._unneeded[step]:
                self._skip(step, StepState.NOT_NEEDED, change)
                return
        elif when is When.ON_FAILURE and not self._bad[step]:
            self._skip(step, StepState.NOT_NEEDED, change)
            return
        self.states[step] = StepState.READY
        change[0].append(step)

    def _skip(self, step: int, state: StepState, change: ReadyAndSkipped) -> None:
        """The step is over without running."""
        self.states[step] = state
        self.over += 1
        change[1].append(step)

    def _skip_rest(self, change: ReadyAndSkipped) -> None:
        """Skip all steps that have not started, but those that run always or on failures.

        Called at the first failure of a DAG that stops at failures.
        """
        self._stopped = True
        for step, state in enumerate(self.states):
            if (
                state in {StepState.WAITING, StepState.READY}
                and self._when[step] is When.ON_SUCCESS
            ):
                self._skip(step, StepState.SKIPPED, change)
