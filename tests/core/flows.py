"""A flow to run, and what it has told to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from workflows.core.config.settings import Settings, load
from workflows.core.flow import (
    Flow,
    FlowExecution,
    FlowOutcome,
    Run,
)
from workflows.core.git.urls import GitUrl
from workflows.core.parameters import FlowParameters

if TYPE_CHECKING:
    from collections.abc import Callable


SECRET = "tok-flow-8d1e"


class Greeting(FlowParameters):
    """Whom to greet, and where."""

    name: str
    times: int = 1
    git_url: GitUrl | None = None


@dataclass(frozen=True)
class Greeted:
    """What the body made."""

    text: str
    web_url: str | None = None


@dataclass
class Seen:
    """A reporter that keeps what it was told, without the times."""

    events: list[tuple[str, ...]] = field(default_factory=list)

    def step_started(self, name: str) -> None:
        self.events.append(("started", name))

    def step_note(self, name: str, text: str) -> None:
        self.events.append(("note", name, text))

    def step_ended(self, name: str, seconds: float, problem: str) -> None:
        assert seconds >= 0
        self.events.append(("ended", name, problem))


@dataclass
class Told:
    """What `on_end` was called with."""

    outcomes: list[FlowOutcome] = field(default_factory=list)

    def __call__(self, outcome: FlowOutcome, _: Settings) -> None:
        self.outcomes.append(outcome)


def hello(parameters: Greeting, run: Run) -> Greeted:
    """The body of a flow where all goes well."""
    text = run.step("greet", lambda name: f"hello {name}", parameters.name)
    return Greeted(text, web_url="https://h/1")


def flow(body: Callable[[Any, Run], Greeted] = hello, told: Told | None = None) -> Flow:
    return Flow(
        name="greet",
        module=__name__,
        summary="Greets.",
        parameters=Greeting,
        body=body,
        title=lambda p: f"greet {p.name}",
        on_end=told or Told(),
    )


def execution(
    body: Callable[[Any, Run], Greeted] = hello,
    *,
    told: Told | None = None,
    seen: Seen | None = None,
    settings: Settings | None = None,
) -> FlowExecution:
    return FlowExecution(
        flow=flow(body, told),
        parameters=Greeting(name="Ada"),
        settings=settings or load(retry_delay_s=0.0),
        reporter=seen or Seen(),
        run_id="r1",
    )


@dataclass
class Failing:
    """A step that raises `error` the first `times` times, and counts its calls."""

    error: BaseException
    times: int = 1_000
    calls: int = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return f"after {self.calls}"

    def body(self, _: Greeting, run: Run) -> Greeted:
        return Greeted(run.step("try", self))


def ended(one: FlowExecution) -> FlowOutcome:
    """The outcome of an execution whose body raised."""
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the outcome tells which it was
        one.run()
    assert one.outcome is not None
    return one.outcome
