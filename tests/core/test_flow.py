"""One execution of a small flow: steps, retries, outcome."""

from __future__ import annotations

import dataclasses
import itertools
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from workflows.core.errors import (
    AccessDenied,
    NetworkError,
    ParametersInvalid,
    RemoteUnavailable,
    Terminated,
    TimeoutExceeded,
    WorkflowsError,
)
from workflows.core.flow import (
    MAX_RETRY_DELAY_S,
    Execution,
    Flow,
    Outcome,
    Run,
    State,
    retry_delays,
)
from workflows.core.git_names import GitUrl
from workflows.core.observability import current_context
from workflows.core.parameters import FlowParameters
from workflows.core.redaction import remember
from workflows.core.settings import Settings, load

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

    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self, outcome: Outcome, _: Settings) -> None:
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
) -> Execution:
    return Execution(
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


def ended(one: Execution) -> Outcome:
    """The outcome of an execution whose body raised."""
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the outcome tells which it was
        one.run()
    assert one.outcome is not None
    return one.outcome


def test_a_run_that_succeeds() -> None:
    """The outcome holds the flow, the title, the run, the result and exit code 0."""
    one = execution()

    result = one.run()

    assert result == Greeted("hello Ada", "https://h/1")
    assert one.outcome is not None
    assert one.outcome.duration_s >= 0
    assert dataclasses.replace(one.outcome, duration_s=0) == Outcome(
        workflow="greet",
        title="greet Ada",
        run_id="r1",
        state=State.SUCCEEDED,
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

    assert (outcome.state, outcome.exit_code) == (State.FAILED, kind.exit_code)
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

    assert (outcome.state, outcome.exit_code) == (State.TERMINATED, exit_code)
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

    assert (outcome.state, outcome.exit_code) == (State.FAILED, 70)


def test_a_defect_of_ours_exits_with_70() -> None:
    """An exception outside the tree is shown by type and text and exits with 70."""
    outcome = ended(execution(Failing(ZeroDivisionError("by zero")).body))

    assert (outcome.state, outcome.exit_code) == (State.FAILED, 70)
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


@pytest.mark.parametrize("kind", [NetworkError, RemoteUnavailable, TimeoutExceeded])
@pytest.mark.parametrize("retries", [0, 1, 4])
def test_a_transient_error_is_tried_again(kind: type[WorkflowsError], retries: int) -> None:
    """A step is called once and then as often as the settings say, no more."""
    step = Failing(kind("not now"))
    seen = Seen()
    settings = load(retries=retries, retry_delay_s=0.0)

    outcome = ended(execution(step.body, settings=settings, seen=seen))

    assert step.calls == 1 + retries
    assert outcome.exit_code == 75
    assert seen.events == [("started", "try"), ("ended", "try", "not now")] * (1 + retries)


def test_a_retry_that_succeeds_ends_the_retries() -> None:
    """The first success is the step's value."""
    step = Failing(NetworkError("not now"), times=2)

    assert execution(step.body).run() == Greeted("after 3")
    assert step.calls == 3


@pytest.mark.parametrize(
    "error", [AccessDenied("no"), ValueError("no"), Terminated(), WorkflowsError("no")]
)
def test_other_errors_are_not_tried_again(error: BaseException) -> None:
    """An error that will not pass, a defect and a signal end the step at once."""
    step = Failing(error)

    ended(execution(step.body, settings=load(retries=5)))

    assert step.calls == 1


@hypothesis_settings(deadline=None, max_examples=100)
@given(retries=st.integers(0, 10), first_s=st.floats(0, 60))
def test_waits_double_and_are_bounded(retries: int, first_s: float) -> None:
    """There is a wait before each retry, twice the one before it, and none is over 30 s."""
    delays = retry_delays(load(retries=retries, retry_delay_s=first_s))

    assert len(delays) == retries
    assert delays[:1] == [min(first_s, MAX_RETRY_DELAY_S)][:retries]
    for before, after in itertools.pairwise(delays):
        assert after == min(2 * before, MAX_RETRY_DELAY_S)


def test_a_retry_waits() -> None:
    """The waits are really waited: 0.05, 0.1 and 0.2 s."""
    step = Failing(NetworkError("not now"), times=3)
    began = time.monotonic()

    execution(step.body, settings=load(retries=3, retry_delay_s=0.05)).run()

    assert time.monotonic() - began >= 0.35


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
    settings = load(retry_delay_s=0.0, notify_urls=(SecretStr("json://localhost"),))
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


def problems(values: dict[str, Any], *found_before: str) -> list[str]:
    """The lines about parameters that are refused."""
    with pytest.raises(ParametersInvalid) as caught:
        flow().validate(values, load(), found_before)
    assert caught.value.exit_code == 2
    assert "workflows describe greet" in caught.value.fix
    return caught.value.why.splitlines()


def test_good_parameters_come_back_as_the_model() -> None:
    """Parameters by name, as text from flags too, become the flow's model."""
    parameters = flow().validate({"name": "Ada", "times": "2"}, load())

    assert parameters == Greeting(name="Ada", times=2)
    assert isinstance(parameters, BaseModel)


def test_every_problem_is_named_at_once() -> None:
    """Missing, unknown and wrong parameters, and what was found before, have a line each."""
    found = problems({"tims": 1, "times": "x", "zzz": 1, "git_url": "/srv/x"}, "--foo: unknown")

    assert found[0] == "--foo: unknown"
    assert {line.partition(":")[0] for line in found[1:]} == {
        "name", "tims", "times", "zzz", "git_url",
    }  # fmt: skip
    assert "name: missing" in found
    assert "tims: unknown, did you mean times?" in found
    assert "zzz: unknown" in found
    assert len(found) == 6


def test_a_problem_found_before_is_enough() -> None:
    """Good parameters do not make up for a flag that does not exist."""
    assert problems({"name": "Ada"}, "--foo: unknown") == ["--foo: unknown"]


def test_a_refused_parameter_does_not_repeat_a_credential() -> None:
    """The line about a URL that is refused shows it without its credential."""
    (line,) = problems({"name": "Ada", "git_url": f"https://me:{SECRET}@h.example/"})

    assert line.startswith("git_url: ")
    assert SECRET not in line


def test_local_repositories_are_a_setting() -> None:
    """A path is refused by default, and accepted where the settings say so."""
    values = {"name": "Ada", "git_url": "/srv/git/shop.git"}
    assert "WORKFLOWS_ALLOW_LOCAL_REPOSITORIES" in problems(values)[0]

    parameters = flow().validate(values, load(allow_local_repositories=True))

    assert isinstance(parameters, Greeting)
    assert parameters.git_url is not None
    assert parameters.git_url.name == "shop"
