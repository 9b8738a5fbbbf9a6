"""Executions of a flow: once, reported, told, and never with a secret."""

from __future__ import annotations

import dataclasses
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.flows import SECRET, Failing, Greeted, Greeting, Seen, Told, ended, execution, hello
from workflows.core.config.declare import Secret
from workflows.core.config.settings import load
from workflows.core.errors import (
    AccessDenied,
    NetworkError,
    ParametersInvalid,
    Terminated,
    WorkflowsError,
)
from workflows.core.flow import (
    FlowOutcome,
    FlowState,
    Run,
)
from workflows.core.observability import current_context
from workflows.core.redaction import remember

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_run_that_succeeds() -> None:
    """The outcome holds the flow, the title, the run, the result and exit code 0."""
    one = execution()

    result = one.run()

    assert result == Greeted("hello Ada", "https://h/1")
    assert one.outcome is not None
    assert one.outcome.duration_s >= 0
    assert dataclasses.replace(one.outcome, duration_s=0) == FlowOutcome(
        workflow="greet",
        title="greet Ada",
        run_id="r1",
        state=FlowState.SUCCEEDED,
        duration_s=0,
        exit_code=0,
        result={"text": "hello Ada", "web_url": "https://h/1"},
    )
    assert one.outcome.web_url == "https://h/1"


@pytest.mark.parametrize("kind", [AccessDenied, NetworkError, ParametersInvalid])
def test_a_run_that_fails(kind: type[WorkflowsError]) -> None:
    """An error of ours ends the run with its exit code, and its texts are in the outcome."""
    error = kind("no", why="said so", fix="ask")

    outcome = ended(execution(Failing(error).body))

    assert (outcome.state, outcome.exit_code) == (FlowState.FAILED, kind.exit_code)
    assert outcome.error == error.as_dict()
    assert outcome.message == str(error)
    assert outcome.result is None


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (Terminated(signal.SIGTERM), 143),
        (Terminated(signal.SIGINT), 130),
        (KeyboardInterrupt(), 143),
    ],
)
def test_a_run_that_is_stopped(error: BaseException, exit_code: int) -> None:
    """A signal ends the run as terminated, with no error and a message."""
    outcome = ended(execution(Failing(error).body))

    assert (outcome.state, outcome.exit_code) == (FlowState.TERMINATED, exit_code)
    assert outcome.error is None
    assert outcome.message


def test_an_execution_runs_once() -> None:
    """A second `run` is refused: the body of one execution never runs twice."""
    once = execution(lambda _, __: Greeted("x"))
    once.run()

    with pytest.raises(RuntimeError):
        once.run()


def test_leaving_is_not_a_signal() -> None:
    """A SystemExit out of a body is a defect of ours (70), not a signal's doing."""
    outcome = ended(execution(Failing(SystemExit(1)).body))

    assert (outcome.state, outcome.exit_code) == (FlowState.FAILED, 70)


def test_a_defect_of_ours_exits_with_70() -> None:
    """An exception outside the tree is shown by type and text and exits with 70."""
    outcome = ended(execution(Failing(ZeroDivisionError("by zero")).body))

    assert (outcome.state, outcome.exit_code) == (FlowState.FAILED, 70)
    assert outcome.error is not None
    assert outcome.error["type"] == "ZeroDivisionError"
    assert outcome.error["retryable"] is False
    assert outcome.message == "ZeroDivisionError: by zero"


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied(f"with {SECRET}", why=f"why {SECRET}", fix=f"fix {SECRET}"),
        RuntimeError(f"with {SECRET}"),
        KeyError(SECRET),
    ],
)
def test_an_outcome_holds_no_secret(error: Exception) -> None:
    """Neither the outcome nor what the reporter hears repeats a secret of the error."""
    remember([SECRET])
    seen = Seen()

    outcome = ended(execution(Failing(error).body, seen=seen))

    assert SECRET not in f"{outcome!r} {outcome.as_dict()} {seen.events}"
    assert "[redacted]" in outcome.message


def test_the_reporter_sees_steps_and_notes() -> None:
    """Starts, notes and ends arrive in order; a note belongs to the innermost running step."""

    def inner(run: Run) -> None:
        run.note("in between")

    def outer(run: Run) -> None:
        run.note("before")
        run.step("inner", inner, run)
        run.note("after")

    def body(_: Greeting, run: Run) -> Greeted:
        run.step("outer", outer, run)
        return Greeted("x")

    seen = Seen()
    execution(body, seen=seen).run()

    assert seen.events == [
        ("started", "outer"),
        ("note", "outer", "before"),
        ("started", "inner"),
        ("note", "inner", "in between"),
        ("ended", "inner", ""),
        ("note", "outer", "after"),
        ("ended", "outer", ""),
    ]


def test_a_step_that_is_stopped_is_reported_as_such() -> None:
    """The reporter hears of the end of a step that a signal ended."""
    seen = Seen()

    ended(execution(Failing(Terminated()).body, seen=seen))

    assert seen.events[-1] == ("ended", "try", "stopped")


def test_a_step_gets_its_arguments() -> None:
    """Positional and keyword arguments reach the call."""

    def body(_: Greeting, run: Run) -> Greeted:
        return Greeted(run.step("join", "{}-{b}".format, "a", b="b"))

    assert execution(body).run() == Greeted("a-b")


def test_the_log_context_names_run_flow_and_step() -> None:
    """Inside a step the context has run_id, flow and step, and nothing after the run."""

    def body(_: Greeting, run: Run) -> Greeted:
        return Greeted(str(run.step("look", current_context)) + str(current_context()))

    result = execution(body).run()

    within = {"run_id": "r1", "flow": "greet"}
    assert result == Greeted(str({**within, "step": "look"}) + str(within))
    assert current_context() == {}


@pytest.mark.parametrize(
    "body", [hello, Failing(AccessDenied("no")).body, Failing(Terminated()).body]
)
def test_people_are_told_once(body: Callable[[Any, Run], Greeted]) -> None:
    """`on_end` gets the outcome once, however often `notify_once` is called."""
    told = Told()
    one = execution(body, told=told)
    one.notify_once()
    assert told.outcomes == []

    try:
        one.run()
    except BaseException:  # noqa: BLE001 - Terminated too; the outcome is what counts
        assert one.outcome is not None
    one.notify_once()
    one.notify_once()

    assert told.outcomes == [one.outcome]


def test_a_successful_run_that_notifies_does_so_as_a_step() -> None:
    """With somewhere to send the outcome, telling people is the last step of a good run."""
    told, seen = Told(), Seen()
    settings = load(retry_delay_s=0.0, notify_urls=(Secret("json://localhost"),))
    one = execution(told=told, seen=seen, settings=settings)

    one.run()
    one.notify_once()

    assert seen.events[-2:] == [("started", "notify"), ("ended", "notify", "")]
    assert told.outcomes == [one.outcome]


def test_an_end_before_the_body_is_recorded_once() -> None:
    """`refuse` records the first end, and no later one replaces it."""
    one = execution()

    first = one.refuse(AccessDenied("no"))

    assert first.exit_code == 1
    assert one.refuse(ValueError("later")) is first


def test_the_outcome_as_a_dict_is_flat_and_plain() -> None:
    """For `--json` the empty half is left out and the state is a plain word."""
    one = execution()
    one.run()
    assert one.outcome is not None
    shown = one.outcome.as_dict()

    assert set(shown) == {
        "workflow", "title", "run_id", "state", "duration_s", "exit_code", "result",
    }  # fmt: skip
    assert type(shown["state"]) is str
    failed = ended(execution(Failing(AccessDenied("no")).body)).as_dict()
    assert "result" not in failed
    assert failed["error"]["type"] == "AccessDenied"
