"""The state of one run, step by step: what the engine writes and the displays read."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from workflows.dag.engine.scheduler import Scheduler, StepGraph
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.dag.file.model import Dag
    from workflows.dag.journal.events import StepRecord


class RunState:
    """All steps of one run. `scheduler.states` has how each ended.

    The lists `attempts`, `began` and `over` are by step number; the last two are seconds since
    1970, and 0 if it has not happened. `job_ids` is by step id, `expected_s` too. `reused` counts
    steps that an earlier process ran.
    """

    def __init__(
        self,
        dag: Dag,
        run_id: str,
        past: Mapping[int, StepRecord],
        expected_s: Mapping[str, float],
    ) -> None:
        steps = dag.steps
        stop = dag.on_failure.value == "stop"
        self.dag = dag
        self.run_id = run_id
        self.expected_s = expected_s
        self.graph = StepGraph(dag.dependencies())
        self.scheduler = Scheduler(self.graph, [step.when for step in steps], stop_on_failure=stop)
        self.attempts = [0] * len(steps)
        self.began = [0.0] * len(steps)
        self.over = [0.0] * len(steps)
        self.messages: dict[int, str] = {}
        self.job_ids: dict[str, str] = {}
        self.reused = 0
        self.resumed = bool(past)
        self._past = past

    @property
    def done(self) -> int:
        """How many steps are over."""
        return self.scheduler.over

    def reuse_success(self, step: int) -> bool:
        """Whether an earlier process ran this step successfully; then its result is kept."""
        known = self._past.get(step)
        if known is None or known.state is not StepState.SUCCEEDED:
            return False
        self.reused += 1
        self.attempts[step] = known.attempt
        self.began[step], self.over[step] = known.began, known.ended
        if known.job_id:
            self.job_ids[self.dag.steps[step].id] = known.job_id
        return True

    def continue_attempt(self, step: int) -> bool:
        """Whether the next attempt was begun by an earlier process; then its number is kept."""
        known = self._past.get(step)
        if known is None or self.attempts[step]:
            return False
        self.attempts[step], self.began[step] = known.attempt, known.began
        gone = known.cancelled and self.dag.steps[step].flow is not None
        return known.state in {StepState.READY, StepState.RUNNING} and not gone

    def new_attempt(self, step: int) -> tuple[int, float]:
        """Begin an attempt; its number, and the time in seconds since 1970."""
        attempt = self.attempts[step] = self.attempts[step] + 1
        began = self.began[step] = time()
        return attempt, began

    def earlier_attempt(self, step: int) -> StepRecord | None:
        """The journal's record of the current attempt, if an earlier process began it."""
        known = self._past.get(step)
        return known if known is not None and known.attempt == self.attempts[step] else None
