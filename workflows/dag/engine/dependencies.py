"""What an engine is given: rules, the parts it works with, and who is told what happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from workflows.dag.engine.poll_schedule import PollIntervals
    from workflows.dag.file.model import FlowCall
    from workflows.dag.journal.events import StepRecord
    from workflows.dag.journal.journal import Journal
    from workflows.dag.runner.client import RunnerClient


class StepObserver(Protocol):
    """Is told what happens to steps, by number; must be quick and must not raise."""

    def started(self, step: int) -> None:
        """An attempt begins."""

    def ended(self, step: int) -> None:
        """The step is over; the engine knows the rest."""

    def retried(self, step: int, message: str, wait_s: float) -> None:
        """An attempt failed; the next begins in `wait_s` seconds."""


class FlowRunner(Protocol):
    """Carries out a flow step and returns its problem; empty if it went well.

    The same key is the same attempt of the same step, whichever process asks.
    """

    def __call__(self, flow: FlowCall, timeout_s: float | None, key: str, /) -> Awaitable[str]:
        """Run it, or go on with what an earlier process began."""
        ...


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How a run is carried out. Times in seconds."""

    max_parallel: int = 100_000
    submitting: int = 96  # requests to submit, and to look, on their way at one time
    waiting: int = 64  # jobs whose end is waited for by long polls
    wait_s: float = 20.0  # how long the runner may hold one
    retry_delay_s: float = 1.0
    cancel_on_exit: bool = False
    repeat_lost: bool = False
    unique_names: bool = False


@dataclass(slots=True)
class EngineDependencies:
    """What an engine works with; `run_flow` is there if a step is a flow."""

    client: RunnerClient
    journal: Journal
    pace: PollIntervals
    observer: StepObserver
    run_flow: FlowRunner | None
    past: Mapping[int, StepRecord] = field(default_factory=dict)
    expected_s: Mapping[str, float] = field(default_factory=dict)
