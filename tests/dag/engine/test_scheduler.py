"""The order of steps, without a network: any graph, any outcome."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.dag.engine.scheduler import Scheduler, StepGraph
from workflows.dag.file.model import When
from workflows.dag.states import StepState

_ENDS = (StepState.SUCCEEDED, StepState.FAILED, StepState.CANCELLED)


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Any graph without a circle, its steps in any order."""
    size = draw(st.integers(1, 25))
    names = draw(st.permutations(range(size)))
    needs: list[list[int]] = [[] for _ in range(size)]
    for place in range(1, size):
        above = draw(st.sets(st.integers(0, place - 1), max_size=4))
        needs[names[place]] = sorted(names[one] for one in above)
    return needs


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs(), st.data())
def test_every_step_ends_once_and_runs_only_after_what_it_needs(
    needs: list[list[int]], data: st.DataObject
) -> None:
    when = [data.draw(st.sampled_from(list(When))) for _ in needs]
    stop = data.draw(st.booleans())
    scheduler = Scheduler(StepGraph(needs), when, stop_on_failure=stop)
    ready, skipped = scheduler.ready()
    over = set(skipped)
    while ready:
        step = ready.pop(data.draw(st.integers(0, len(ready) - 1)))
        if scheduler.states[step] is not StepState.READY:
            assert stop
            continue
        assert all(scheduler.states[one] >= StepState.SUCCEEDED for one in needs[step])
        assert step not in over
        scheduler.started(step)
        more, skipped = scheduler.ended(step, data.draw(st.sampled_from(_ENDS)))
        over |= {step, *skipped}
        ready += more
    assert scheduler.finished
    for step, state in enumerate(scheduler.states):
        if when[step] is When.ON_SUCCESS and state in _ENDS:
            assert all(scheduler.states[one] is StepState.SUCCEEDED for one in needs[step])


@pytest.mark.parametrize(
    ("when", "above", "expected"),
    [
        (When.ON_SUCCESS, StepState.SUCCEEDED, StepState.READY),
        (When.ON_SUCCESS, StepState.FAILED, StepState.SKIPPED),
        (When.ON_SUCCESS, StepState.CANCELLED, StepState.SKIPPED),
        (When.ALWAYS, StepState.SUCCEEDED, StepState.READY),
        (When.ALWAYS, StepState.FAILED, StepState.READY),
        (When.ON_FAILURE, StepState.SUCCEEDED, StepState.NOT_NEEDED),
        (When.ON_FAILURE, StepState.FAILED, StepState.READY),
        (When.ON_FAILURE, StepState.CANCELLED, StepState.READY),
    ],
)
def test_when(when: When, above: StepState, expected: StepState) -> None:
    scheduler = Scheduler(StepGraph([[], [0]]), [When.ON_SUCCESS, when])
    scheduler.started(scheduler.ready()[0][0])
    scheduler.ended(0, above)
    assert scheduler.states[1] is expected


def test_a_step_for_failures_that_is_not_needed_fails_nothing() -> None:
    scheduler = Scheduler(StepGraph([[], [0]]), [When.ON_SUCCESS, When.ON_FAILURE])
    scheduler.started(scheduler.ready()[0][0])
    scheduler.ended(0, StepState.SUCCEEDED)
    assert scheduler.finished
    assert scheduler.succeeded


def test_the_critical_path_is_the_longest_way() -> None:
    graph = StepGraph([[], [0], [0], [1, 2]])
    assert graph.critical_path([1, 5, 2, 1]) == (7, [0, 1, 3])


@pytest.mark.parametrize("needs", [[[0]], [[1], [0]], [[5]]])
def test_a_cycle_and_a_step_that_is_not_there_are_refused(needs: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"depends on|cycle"):
        StepGraph(needs)


def test_a_hundred_thousand_steps_take_a_moment() -> None:
    count = 100_000
    needs = [[n - 1000, n - 999] if n >= 1000 else [] for n in range(count)]
    scheduler = Scheduler(StepGraph(needs))
    ready, _ = scheduler.ready()
    while ready:
        step = ready.pop()
        scheduler.started(step)
        ready += scheduler.ended(step, StepState.SUCCEEDED)[0]
    assert scheduler.counts[StepState.SUCCEEDED] == count
