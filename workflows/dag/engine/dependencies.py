"""What an engine is given, and what the parts of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workflows.dag.engine.poll_schedule import PollIntervals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from workflows.dag.engine.background import BackgroundTasks
    from workflows.dag.engine.journal_writer import JournalWriter
    from workflows.dag.engine.run_state import RunState
    from workflows.dag.file.model import FlowCall
    from workflows.dag.journal.events import StepRecord
    from workflows.dag.journal.journal import Journal
    from workflows.dag.runner.client import RunnerClient


class StepObserver(Protocol):
    """Its methods are called when something happens to a step; they must be quick, and not raise.

    `step` is the step's number.
    """

    def started(self, step: int) -> None:
        """An attempt begins."""

    def ended(self, step: int) -> None:
        """The step is over; the run's state says how it ended."""

    def retried(self, step: int, message: str, wait_s: float) -> None:
        """An attempt failed; the next begins in `wait_s` seconds."""


class FlowRunner(Protocol):
    """Runs the flow of a step. Idempotent: `key` is the same for the same attempt of the step."""

    def __call__(self, flow: FlowCall, timeout_s: float | None, key: str, /) -> Awaitable[str]:
        """Run it, or continue the run that an earlier process began.

        Returns why it failed, or an empty text. `timeout_s` is in seconds.
        """
        ...


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How a run is carried out. Times in seconds."""

    max_parallel: int = 100_000
    max_submissions: int = 96  # concurrent requests that submit jobs
    max_polls: int = 96  # concurrent polls
    max_long_polls: int = 64
    long_poll_s: float = 20.0  # how long the runner may hold a long poll
    poll_intervals: PollIntervals = field(default_factory=PollIntervals)
    retry_delay_s: float = 1.0
    cancel_on_exit: bool = False
    repeat_lost: bool = False
    unique_names: bool = False


@dataclass(frozen=True, slots=True)
class EngineDependencies:
    """What an engine works with. `flow_runner` is needed if a step is a flow.

    `past` is from the journal of an earlier process, by step number; `expected_s` are durations
    of steps in earlier runs, by step id, in seconds.
    """

    client: RunnerClient
    journal: Journal
    observer: StepObserver
    flow_runner: FlowRunner | None = None
    past: Mapping[int, StepRecord] = field(default_factory=dict)
    expected_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the parts of one run share."""

    state: RunState
    config: EngineConfig
    client: RunnerClient
    journal: JournalWriter
    tasks: BackgroundTasks
