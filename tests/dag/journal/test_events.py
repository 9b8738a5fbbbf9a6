"""Events of a run and the record that they make: whatever is replayed twice, cut off, or late."""

from __future__ import annotations

import pytest

from workflows.dag.journal import events
from workflows.dag.journal.events import RunHeader, RunRecord, StepRecord
from workflows.dag.states import StepState

HEADER = RunHeader("r1", "test", "f", ["a", "b"], "http://runner", 12.5)
FIRST = [
    events.submission_event(0, 1, 10.0),
    events.job_event(0, 1, "job-1", 11.0),
    events.end_event(0, 1, StepState.FAILED, "disk full", 10.0, 12.0),
]
SECOND = [events.submission_event(0, 2, 20.0), events.job_event(0, 2, "job-2", 21.0)]


def replay(*noted: events.Event, ended: str = "") -> RunRecord:
    return events.replay_events(HEADER, [events.event_lines(noted)], ended)


def test_each_event_adds_what_it_says() -> None:
    submitted = replay(*FIRST[:1]).steps
    with_job = replay(*FIRST[:2]).steps
    over = replay(*FIRST).steps

    assert submitted == {0: StepRecord(1, "", StepState.READY, "", 10.0)}
    assert with_job == {0: StepRecord(1, "job-1", StepState.RUNNING, "", 10.0)}
    assert over == {0: StepRecord(1, "job-1", StepState.FAILED, "disk full", 10.0, 12.0)}


def test_a_new_attempt_knows_nothing_of_the_one_before() -> None:
    stopped = events.cancellation_event(0, 1, 11.5)

    step = replay(*FIRST[:2], stopped, FIRST[2], SECOND[0]).steps[0]

    assert (step.attempt, step.job_id, step.state) == (2, "", StepState.READY)
    assert (step.message, step.cancelled) == ("", False)


@pytest.mark.parametrize("late", [*FIRST, events.cancellation_event(0, 1, 30.0)])
def test_an_event_of_an_older_attempt_changes_nothing(late: events.Event) -> None:
    assert replay(*FIRST, *SECOND, late) == replay(*FIRST, *SECOND)


def test_a_job_that_was_to_be_cancelled_is_remembered_as_such() -> None:
    step = replay(*FIRST[:2], events.cancellation_event(0, 1, 11.5)).steps[0]

    assert step.cancelled
    assert step.state is StepState.RUNNING


def test_replaying_events_twice_changes_nothing() -> None:
    assert replay(*FIRST, *SECOND, *FIRST, *SECOND) == replay(*FIRST, *SECOND)


def test_batches_are_replayed_in_order_and_a_line_that_was_cut_off_is_ignored() -> None:
    batches = [events.event_lines(FIRST), events.event_lines(SECOND)[:-20]]

    record = events.replay_events(HEADER, batches, "failed")

    assert record.ended == "failed"
    assert record.steps[0].attempt == 2
    assert record.steps[0].job_id == ""


def test_a_cut_line_in_the_middle_does_not_hide_what_follows() -> None:
    text = events.event_lines(FIRST[:1]) + '["j", 0, 1, "jo\n' + events.event_lines(FIRST[1:])

    assert events.replay_events(HEADER, [text]).steps == replay(*FIRST).steps


def test_half_a_surrogate_pair_in_a_message_is_kept() -> None:
    odd = events.end_event(1, 1, StepState.FAILED, "\ud83d", 1.0, 2.0)

    assert replay(FIRST[0], odd).steps[1].message == "\ud83d"


def test_a_header_is_read_back_from_its_facts() -> None:
    assert RunHeader(**HEADER.facts()) == HEADER
    assert HEADER.facts()["version"] == events.VERSION == 1
    assert RunHeader("r", "n", "f", []).started_at == 0.0
