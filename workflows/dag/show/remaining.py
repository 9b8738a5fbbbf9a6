"""An estimate of how long a run may still take, from the steps that have ended."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from workflows.dag.states import StepState

if TYPE_CHECKING:
    from workflows.dag.engine.run_state import RunState


def critical_path_left_s(engine: RunState) -> float:
    """The critical path of what has not ended, in seconds. Costs O(steps + edges).

    A step takes as long as in earlier runs, or else as the mean of those that have run in this
    one, less the time it has been running.
    """
    took = [
        over - began
        for over, began in zip(engine.over, engine.began, strict=True)
        if over and began
    ]
    typical_s, now = sum(took) / (len(took) or 1), time()
    left = []
    for step, began, state in zip(
        engine.dag.steps, engine.began, engine.scheduler.states, strict=True
    ):
        expected_s = engine.expected_s.get(step.id, typical_s)
        age_s = now - began if began else 0.0
        left.append(0.0 if state >= StepState.SUCCEEDED else max(0.0, expected_s - age_s))
    return engine.scheduler.graph.critical_path(left)[0]
