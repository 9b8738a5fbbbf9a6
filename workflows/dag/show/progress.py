"""The progress of a run in plain lines, for logs; their number is limited."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.dag.engine.run_state import RunState

_LINES_AT_ONCE = 100  # a line costs 50 µs of redaction: the first hundred, then 20 a second
_LINES_A_SECOND = 20.0
_SUMMARY_S = 5.0
_ALWAYS_SHOWN = frozenset({StepState.FAILED, StepState.CANCELLED})


class SilentProgress:
    """Shows nothing; the base of other displays."""

    def begin(self, run_state: RunState, run_id: str) -> None:
        """Nothing."""

    def started(self, step: int) -> None:
        """Nothing."""

    def ended(self, step: int) -> None:
        """Nothing."""

    def retried(self, step: int, message: str, wait_s: float) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


class ProgressLines(SilentProgress):
    """A line for each step that ends, while they are few, and for every failure; else counts."""

    def __init__(
        self, say: Callable[[str], None], show: Callable[[int], None] | None = None
    ) -> None:
        self._say = say
        self._show = show
        self._run_state: RunState | None = None
        self._budget = float(_LINES_AT_ONCE)
        self._at = self._counted_at = monotonic()

    def begin(self, run_state: RunState, run_id: str) -> None:
        """Say what is started, and the run id by which it can be resumed."""
        self._run_state = run_state
        count = run_state.scheduler.graph.size
        self._say(f"{run_state.dag.name}: {count:,} steps, run id {run_id}")

    def ended(self, step: int) -> None:
        """Say how the step ended, or every 5 s how many have."""
        run_state = self._run_state
        if run_state is None:
            return
        if self._show is not None:
            self._show(run_state.done)
        state = run_state.scheduler.states[step]
        now = monotonic()
        self._budget += (now - self._at) * _LINES_A_SECOND
        self._budget = min(self._budget, _LINES_AT_ONCE)
        self._at = now
        if self._budget >= 1 or state in _ALWAYS_SHOWN:
            self._budget = max(0.0, self._budget - 1)
            self._say(self._line(run_state, step, state))
        elif now - self._counted_at > _SUMMARY_S:
            self._counted_at = now
            self._say(f"{run_state.done:,} of {run_state.scheduler.graph.size:,} steps are over")

    def retried(self, step: int, message: str, wait_s: float) -> None:
        """Say why the step is tried again."""
        name = self._run_state.dag.steps[step].id if self._run_state and step >= 0 else "run"
        self._say(f"{name}: {_first_line(message)}; again in {wait_s:g} s")

    @staticmethod
    def _line(run_state: RunState, step: int, state: StepState) -> str:
        took_s = run_state.over[step] - run_state.began[step] if run_state.began[step] else 0.0
        message = _first_line(run_state.messages.get(step, ""))
        word = state.name.lower().replace("_", " ")
        took = f" in {took_s:.2f} s" if took_s else ""
        return f"{run_state.dag.steps[step].id}: {word}{took}" + (f": {message}" if message else "")


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
