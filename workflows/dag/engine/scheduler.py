"""Which steps may start and which never will: states, dependencies, critical path. Pure.

Steps are numbers (their place in the file); everything is kept in lists, and a whole run costs
O(steps + edges). Time, the network and retries' waits are the engine's business.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workflows.dag.file.model import When
from workflows.dag.file.order import dependents_of, topological_order
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Sequence


# once, since looking them up in their class costs ten times as much
_WAITING, _READY, _RUNNING, _SUCCEEDED = (
    StepState.WAITING,
    StepState.READY,
    StepState.RUNNING,
    StepState.SUCCEEDED,
)
_BAD = frozenset(
    {StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED}
)  # a run with one has failed


class Graph:
    """Dependencies of every step as numbers, and the other way round.

    Raises:
        ValueError: a dependency that does not exist, or a cycle; a loaded file has neither.
    """

    def __init__(self, dependencies: Sequence[Sequence[int]]) -> None:
        self.size = len(dependencies)
        self.dependencies = dependencies
        self.dependents = dependents_of(dependencies)
        self.order = topological_order(dependencies, self.dependents)
        if len(self.order) != self.size:
            raise ValueError("the dependencies form a cycle")

    def critical_path(self, durations_s: Sequence[float]) -> tuple[float, list[int]]:
        """The longest way through, in seconds, and its steps from first to last."""
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


Change = tuple[list[int], list[int]]
"""What may start because of what has ended, and what never will; each step is told of once."""


class Scheduler:
    """The states of all steps of one run; `over` counts those that have ended.

    `ready()` hands out the steps that may start at the beginning (and after `restore`); `ended`
    says which may start, and which never will, because of that end.
    """

    def __init__(
        self, graph: Graph, when: Sequence[When] | None = None, *, stop_on_failure: bool = False
    ) -> None:
        self.graph = graph
        self._below = graph.dependents
        self.states = [StepState.WAITING] * graph.size
        self.over = 0
        self._when = when or [When.ON_SUCCESS] * graph.size
        self._left = [len(needed) for needed in graph.dependencies]
        self._bad = bytearray(graph.size)  # a dependency failed, or was skipped for a failure
        self._unneeded = bytearray(graph.size)  # a dependency was not needed
        self._stop_on_failure = stop_on_failure
        self._stopped = False
        self._judging = any(one is not When.ON_SUCCESS for one in self._when)
        """Whether a step may be anything but ready once its dependencies have ended."""

    @property
    def counts(self) -> dict[StepState, int]:
        """How many steps are in each state; counted when asked for."""
        counted = Counter(self.states)
        return {state: counted[state] for state in StepState}

    @property
    def finished(self) -> bool:
        """Whether every step has ended."""
        return self.over == self.graph.size

    @property
    def succeeded(self) -> bool:
        """Whether no step has failed, was cancelled, or was skipped for one that had."""
        return _BAD.isdisjoint(self.states)

    def ready(self) -> Change:
        """The steps without a dependency: what may start at once, and what never will. Call first.

        A step without a dependency that is for failures only never runs, and ends the others that
        need it.
        """
        change: Change = ([], [])
        for step in range(self.graph.size):
            if not self._left[step] and self.states[step] is StepState.WAITING:
                self._judge(step, change)
        self._spread(change)
        return change

    def started(self, step: int) -> None:
        """A ready step is on its way."""
        self.states[step] = _RUNNING

    def again(self, step: int) -> None:
        """A running step is to be started once more (a retry)."""
        self.states[step] = StepState.READY

    def ended(self, step: int, state: StepState) -> Change:
        """A running or ready step has ended; the answer is what may start, and what never will.

        Raises:
            ValueError: the state is not final, or the step has one already.
        """
        states = self.states
        before = states[step]
        if state < _SUCCEEDED or before >= _SUCCEEDED:
            raise ValueError(f"step {step}: {before.name} cannot become {state.name}")
        states[step] = state
        self.over += 1
        if self._judging or state is not _SUCCEEDED:
            return self._judged(step, state)
        left = self._left
        ready = []
        for below in self._below[step]:
            left[below] = waits = left[below] - 1
            if not waits:  # and it is waiting, since nothing is skipped while all goes well
                states[below] = _READY
                ready.append(below)
        return ready, []

    def _judged(self, step: int, state: StepState) -> Change:
        """What an end means where a step below may turn out to be anything but ready."""
        change: Change = ([], [])
        if state is not _SUCCEEDED:
            self._judging = True
            if self._stop_on_failure and not self._stopped:
                self._stop(change)
            self._tell(step, change)
        else:
            for below in self._below[step]:
                self._left[below] -= 1
                if not self._left[below] and self.states[below] is _WAITING:
                    self._judge(below, change)
        self._spread(change)
        return change

    def _spread(self, change: Change) -> None:
        """Tell the steps below those that are skipped, and theirs where they are, too."""
        for step in change[1]:  # grows while it is walked
            self._tell(step, change)

    def _tell(self, step: int, change: Change) -> None:
        """Tell the steps below one that has ended otherwise than well."""
        bad = self.states[step] in _BAD
        for below in self._below[step]:
            self._left[below] -= 1
            if bad:
                self._bad[below] = 1
            else:
                self._unneeded[below] = 1
            if not self._left[below] and self.states[below] is StepState.WAITING:
                self._judge(below, change)

    def _judge(self, step: int, change: Change) -> None:
        """All dependencies have ended: ready, or over without having run."""
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

    def _skip(self, step: int, state: StepState, change: Change) -> None:
        """The step is over without having run."""
        self.states[step] = state
        self.over += 1
        change[1].append(step)

    def _stop(self, change: Change) -> None:
        """The first failure of a workflow that stops there: what has not started is skipped.

        Steps that run always, or for failures, keep their turn.
        """
        self._stopped = True
        for step, state in enumerate(self.states):
            if (
                state in {StepState.WAITING, StepState.READY}
                and self._when[step] is When.ON_SUCCESS
            ):
                self._skip(step, StepState.SKIPPED, change)
