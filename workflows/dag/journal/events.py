"""The events of a DAG run, of which its journal consists, and the run's record made from them.

No I/O: the stores of journals are modules of their own. An event is a JSON array on a line:
`["i", step, attempt, time]` before a job is submitted,
`["j", step, attempt, job id, time]` when the Task Runner has given its id,
`["c", step, attempt, time]` before the job is cancelled because the run stops, and
`["e", step, attempt, state, message, started, time]` when the step has ended.
Replaying events twice changes nothing; a last line that was cut off is ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
Event = tuple[Any, ...]


@dataclass(slots=True)
class RunHeader:
    """Which run this is. `fingerprint` changes with the DAG file and its parameters."""

    run_id: str
    name: str
    fingerprint: str
    steps: list[str]
    runner: str = ""
    started_at: float = 0.0
    version: int = VERSION

    def facts(self) -> dict[str, Any]:
        """All of it, for JSON; `RunHeader(**facts)` reads it back."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class StepRecord:
    """What is known of one step. A job that has an id and has not ended may still be running.

    `cancelled`: its job was about to be cancelled because the run stopped.
    """

    attempt: int = 0
    job_id: str = ""
    state: StepState = StepState.WAITING
    message: str = ""
    began: float = 0.0
    ended: float = 0.0
    cancelled: bool = False


@dataclass(slots=True)
class RunRecord:
    """A run as its journal has it. `ended` is `succeeded`, `failed`, or empty before the end."""

    header: RunHeader
    steps: dict[int, StepRecord] = field(default_factory=dict)
    ended: str = ""


def submission_event(step: int, attempt: int, now: float) -> Event:
    """A job is about to be submitted. Times are seconds since 1970."""
    return ("i", step, attempt, now)


def job_event(step: int, attempt: int, job_id: str, now: float) -> Event:
    """The Task Runner has answered with the job's id."""
    return ("j", step, attempt, job_id, now)


def cancellation_event(step: int, attempt: int, now: float) -> Event:
    """The job is about to be cancelled, because the run stops."""
    return ("c", step, attempt, now)


def end_event(  # noqa: PLR0913, PLR0917
    step: int, attempt: int, state: StepState, message: str, began: float, now: float
) -> Event:
    """The step has ended with this attempt, and is not tried again."""
    return ("e", step, attempt, int(state), message, began, now)


def event_lines(events: Iterable[Event]) -> str:
    """The lines of these events, as the stores keep them."""
    try:
        lines = [*map(orjson.dumps, events), b""]
    except TypeError:  # a text with a lone surrogate, which only json escapes
        lines = [*(json.dumps(event).encode() for event in events), b""]
    return b"\n".join(lines).decode()


def replay_events(header: RunHeader, batches: Iterable[str], ended: str = "") -> RunRecord:
    """The record of a run, from its events in order. `ended` as the store has it."""
    record = RunRecord(header, ended=ended)
    for batch in batches:
        for line in batch.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a line that was cut off in the middle of a write
            _apply_event(record, event)
    return record


def _apply_event(record: RunRecord, event: list[Any]) -> None:
    kind, number, attempt = event[0], event[1], event[2]
    step = record.steps.get(number)
    if step is None:
        step = record.steps[number] = StepRecord()
    if attempt < step.attempt:
        return
    if attempt > step.attempt:
        step.attempt, step.job_id, step.state, step.message = attempt, "", StepState.WAITING, ""
        step.cancelled = False
    if kind == "i":
        step.state, step.began = StepState.READY, event[3]
    elif kind == "j":
        step.state, step.job_id = StepState.RUNNING, event[3]
    elif kind == "c":
        step.cancelled = True
    elif kind == "e":
        step.state, step.message = StepState(event[3]), event[4]
        step.began, step.ended = event[5], event[6]
