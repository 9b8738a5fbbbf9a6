"""What a run wrote down: enough to go on after any end. Events as text, pure; stores elsewhere.

An event is a JSON array on a line: `["i", step, attempt, time]` before a job is submitted,
`["j", step, attempt, job id, time]` when the runner has given its id,
`["c", step, attempt, time]` before it is asked to cancel the job because the run stops, and
`["e", step, attempt, state, message, started, time]` when the step has ended.
Replaying is idempotent; a last line that was cut off is ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
Event = tuple[Any, ...]


@dataclass(slots=True)
class Header:
    """Which run this is. `fingerprint` stands for the workflow file and its parameters."""

    run_id: str
    name: str
    fingerprint: str
    steps: list[str]
    runner: str = ""
    started_at: float = 0.0
    version: int = VERSION

    def facts(self) -> dict[str, Any]:
        """All of it, for JSON; `Header(**facts)` is the way back."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class StepPast:
    """What is known of one step. A job id without an end: it may still be running.

    `cancelled`: its job was to be cancelled because the run stopped, not because of the step.
    """

    attempt: int = 0
    job_id: str = ""
    state: StepState = StepState.WAITING
    message: str = ""
    began: float = 0.0
    ended: float = 0.0
    cancelled: bool = False


@dataclass(slots=True)
class Past:
    """A run as its journal has it. `ended` is "" while it has not."""

    header: Header
    steps: dict[int, StepPast] = field(default_factory=dict)
    ended: str = ""


class Journal(Protocol):
    """Where events go. `note` keeps one, `flush` stores what was kept; the order stays.

    `synchronous` says that `flush` returns when all is stored; else it is stored some time later,
    and `stored()` waits for that.
    """

    synchronous: bool

    def begin(self, header: Header) -> None:
        """Write down which run this is; the end of an earlier attempt is taken back."""
        ...

    def note(self, event: Event) -> None:
        """Keep one event for the next flush."""
        ...

    def flush(self) -> None:
        """Store what was kept, as one."""
        ...

    async def stored(self) -> None:
        """Return when everything flushed before is stored.

        Raises:
            RunConflict: another process has taken the run over.
        """
        ...

    def close(self, ended: str) -> None:
        """The run has ended like this, or (empty) stops here and may be resumed."""
        ...


class Nowhere:
    """A journal that keeps nothing: `--journal none`."""

    synchronous = True

    def begin(self, header: Header) -> None:
        """Forgotten."""

    def note(self, event: Event) -> None:
        """Forgotten."""

    def flush(self) -> None:
        """Nothing to store."""

    async def stored(self) -> None:
        """At once."""

    def close(self, ended: str) -> None:
        """Nothing to close."""


def intent(step: int, attempt: int, now: float) -> Event:
    """A job is about to be submitted."""
    return ("i", step, attempt, now)


def submitted(step: int, attempt: int, job_id: str, now: float) -> Event:
    """The runner has given the job its id."""
    return ("j", step, attempt, job_id, now)


def cancelled(step: int, attempt: int, now: float) -> Event:
    """The run stops, and wants the job cancelled."""
    return ("c", step, attempt, now)


def over(  # noqa: PLR0913, PLR0917
    step: int, attempt: int, state: StepState, message: str, began: float, now: float
) -> Event:
    """The step's attempt has ended."""
    return ("e", step, attempt, int(state), message, began, now)


def written(events: Iterable[Event]) -> str:
    """The lines of these events."""
    try:
        lines = [*map(orjson.dumps, events), b""]
    except TypeError:  # a text with half a surrogate pair, which JSON can only escape
        lines = [*(json.dumps(event).encode() for event in events), b""]
    return b"\n".join(lines).decode()


def replay(header: Header, batches: Iterable[str], ended: str = "") -> Past:
    """A run from its events, oldest first."""
    past = Past(header, ended=ended)
    for batch in batches:
        for line in batch.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # cut off in the middle of a write
            _apply(past, event)
    return past


def _apply(past: Past, event: list[Any]) -> None:
    kind, number, attempt = event[0], event[1], event[2]
    step = past.steps.get(number)
    if step is None:
        step = past.steps[number] = StepPast()
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
