"""An estimate of how long a run may still take, from the steps that have ended."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from workflows.dag.states import StepState

if TYPE_CHECKING:
    from workflows.dag.engine.run_state import RunState


def critical_path_left_s(run_state: RunState) -> float:
    """The critical path of what has not ended, in seconds. Costs O(steps + edges).

    The remaining time of a step is its duration in earlier runs (or else the mean duration of this
    run's steps) minus the time it has already run.
    """
    took = [
        over - began
        for over, began in zip(run_state.over, run_state.began, strict=True)
        if over and began
    ]
    typical_s, now = sum(took) / (len(took) or 1), time()
    left = []
    for step, began, state in zip(
        run_state.dag.steps, run_state.began, run_state.scheduler.states, strict=True
    ):
        expected_s = run_state.expected_s.get(step.id, typical_s)
        age_s = now - began if began else 0.0
        left.append(0.0 if state >= StepState.SUCCEEDED else max(0.0, expected_s - age_s))
    return run_state.scheduler.graph.critical_path(left)[0]
