"""What a flow is, and one execution of it: steps, retries, outcome. Knows nothing of Prefect.

A flow is a `Flow` value: a name, a pydantic model of its parameters and a body that calls its
steps through `Run.step`. `FlowExecution` runs the body exactly once and keeps the outcome. Only
that outcome counts; a terminal or Prefect shows it and decides nothing.
"""

from __future__ import annotations

import contextvars
import dataclasses
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from workflows.core.errors import (
    EXIT_DEFECT,
    EXIT_OK,
    EXIT_TERMINATED,
    ParametersInvalid,
    Terminated,
    TransientError,
    WorkflowsError,
)
from workflows.core.nearest import nearest
from workflows.core.observability import log_context, logger
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pydantic import BaseModel

    from workflows.core.config.settings import Settings

A = ParamSpec("A")
T = TypeVar("T")

MAX_RETRY_DELAY_S = 30.0
_log = logger("flow")


class FlowState(StrEnum):
    """How an execution ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TERMINATED = "terminated"


class FlowResult(Protocol):
    """What a body returns: a frozen dataclass with plain fields and a link for people."""

    @property
    def web_url(self) -> str | None:
        """Where to look at what the run made."""
        ...


@dataclass(frozen=True, slots=True)
class FlowOutcome:
    """The end of one execution. `duration_s` is wall time in seconds."""

    workflow: str
    title: str
    run_id: str
    state: FlowState
    duration_s: float
    exit_code: int
    result: dict[str, Any] | None = None
    error: dict[str, str | bool] | None = None
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: flat, without the empty half."""
        kept = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        kept.pop("message")
        kept["state"] = self.state.value
        kept["duration_s"] = round(self.duration_s, 3)
        return kept

    @property
    def web_url(self) -> str | None:
        """The result's link, if it has one."""
        return (self.result or {}).get("web_url")


class Reporter(Protocol):
    """Shows steps as they run, on a terminal or in a log. Must not raise."""

    def step_started(self, name: str) -> None:
        """A step begins (again, after a retry)."""

    def step_note(self, name: str, text: str) -> None:
        """Progress inside a step, such as `receiving objects 45%`."""

    def step_ended(self, name: str, seconds: float, problem: str) -> None:
        """A step ended; `problem` is empty when it went well."""


class Progress(Protocol):
    """Takes how many parts are done, as often as the caller likes.

    At the end also `rows`, a table of the parts, and `report`, in Markdown.
    """

    def __call__(
        self, done: int, rows: list[dict[str, str]] | None = None, report: str = "", /
    ) -> None:
        """Note the progress; it is shown at most once a second."""
        ...


class StepRunner(Protocol):
    """Carries out one step, with retries; the plain one is here, Prefect's in orchestration."""

    def __call__(self, name: str, call: Callable[[], T], settings: Settings) -> T:
        """Return what `call` returns, or raise what its last attempt raised."""
        ...

    def link(self, key: str, url: str, text: str) -> None:
        """Show a link beside the run."""
        ...

    def progress(self, title: str, total: int) -> AbstractContextManager[Progress]:
        """Inside the block, show how many of `total` parts are done."""
        ...


@dataclass(frozen=True)
class Flow:
    """A workflow: `body(parameters, run)` returns a `FlowResult`.

    `title` makes the name of a run from its parameters. `on_end` is called with the outcome and
    must not raise. Prefect finds the flow as `module:name`.
    """

    name: str
    module: str
    summary: str
    parameters: type[BaseModel]
    body: Callable[[Any, Run], FlowResult]
    title: Callable[[Any], str]
    on_end: Callable[[FlowOutcome, Settings], None]

    def validate(
        self, values: Mapping[str, Any], settings: Settings, problems: Sequence[str] = ()
    ) -> BaseModel:
        """Check parameters by name; `problems` were found before (flags that do not exist).

        Raises:
            ParametersInvalid: every problem, and every missing, unknown and wrong parameter.
        """
        from pydantic import ValidationError  # noqa: PLC0415 - `--help` does without pydantic

        context = {"allow_local": settings.allow_local_repositories}
        found = list(problems)
        try:
            parameters = self.parameters.model_validate(dict(values), context=context)
            if not found:
                return parameters
        except ValidationError as error:
            found += [
                parameter_problem(e["loc"], e["type"], e["msg"], self.parameters)
                for e in error.errors(include_input=False, include_url=False)
            ]
        raise ParametersInvalid(
            f"{self.name} cannot start: its parameters are not right",
            why="\n".join(found),
            fix=f"see `workflows describe {self.name}`",
        )


def parameter_problem(
    loc: tuple[int | str, ...], kind: str, message: str, model: type[BaseModel]
) -> str:
    """One line of pydantic's findings: `git_url: missing`, `gti_url: unknown, did you mean …`."""
    name = ".".join(str(part) for part in loc) or "parameters"
    if kind == "missing":
        return f"{name}: missing"
    if kind == "extra_forbidden":
        close = nearest(name, model.model_fields)
        return f"{name}: unknown" + (f", did you mean {close}?" if close else "")
    return redact(f"{name}: {message[:1].lower()}{message[1:]}")


class Run:
    """What a body gets to work with: settings, steps, progress, links."""

    def __init__(
        self, settings: Settings, reporter: Reporter, steps: StepRunner, run_id: str = ""
    ) -> None:
        self.settings = settings
        self.run_id = run_id
        self._reporter = reporter
        self._steps = steps

    def step(self, name: str, call: Callable[A, T], /, *args: A.args, **kwargs: A.kwargs) -> T:
        """Call `call(*args, **kwargs)` as the step `name`; transient errors are tried again.

        The call must be safe to repeat. Steps run in the caller's thread, one at a time.
        """

        def attempt() -> T:
            return self._attempt(name, lambda: call(*args, **kwargs))

        return self._steps(name, attempt, self.settings)

    def note(self, text: str) -> None:
        """Say how far the current step is."""
        self._reporter.step_note(_current_step.get(), text)

    def link(self, key: str, url: str, text: str) -> None:
        """Show a link beside the run, where runs are shown."""
        self._steps.link(key, url, text)

    def progress(self, title: str, total: int) -> AbstractContextManager[Progress]:
        """Inside the block, show how many of `total` parts of a long step are done."""
        return self._steps.progress(title, total)

    def _attempt(self, name: str, call: Callable[[], T]) -> T:
        token = _current_step.set(name)
        started = time.monotonic()
        problem = "stopped"
        with log_context(step=name):
            self._reporter.step_started(name)
            try:
                value = call()
                problem = ""
            except Exception as error:
                problem = redact(str(error) or type(error).__name__)
                raise
            finally:
                self._reporter.step_ended(name, time.monotonic() - started, problem)
                _current_step.reset(token)
        return value


_current_step: contextvars.ContextVar[str] = contextvars.ContextVar("current_step", default="")


class PlainSteps:
    """Steps as plain function calls with bounded, doubling waits between attempts."""

    def __call__(self, name: str, call: Callable[[], T], settings: Settings) -> T:
        """Return what `call` returns, trying transient errors again `settings.retries` times."""
        for delay in retry_delays(settings):
            try:
                return call()
            except TransientError as error:
                _log.warning("%s: %s; again in %.0f s", name, redact(error.what), delay)
            time.sleep(delay)
        return call()

    def link(self, key: str, url: str, text: str) -> None:
        """Does nothing: the outcome has the link."""

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Progress]:
        """Shows nothing: the reporter shows the steps."""
        yield lambda _done, _rows=None, _report="": None


def retry_delays(settings: Settings) -> list[float]:
    """Seconds to wait before each retry: 1, 2, 4, … times the first, at most 30 s."""
    return [min(settings.retry_delay_s * 2**n, MAX_RETRY_DELAY_S) for n in range(settings.retries)]


@dataclass
class FlowExecution:
    """One run of a flow. `outcome` is None until the body has ended, and never changes after."""

    flow: Flow
    parameters: BaseModel
    settings: Settings
    reporter: Reporter
    run_id: str
    outcome: FlowOutcome | None = None
    started: bool = False
    _notified: bool = field(default=False, repr=False)

    @property
    def title(self) -> str:
        """The run's name for people."""
        return self.flow.title(self.parameters)

    def run(self, steps: StepRunner | None = None) -> FlowResult:
        """Run the body, once; `outcome` is set before an error is raised on.

        Raises:
            WorkflowsError, Terminated: whatever the body raised.
            RuntimeError: it has been run before.
        """
        if self.started:
            raise RuntimeError("an execution runs once; make another")
        self.started = True
        began = time.monotonic()
        run = Run(self.settings, self.reporter, steps or PlainSteps(), self.run_id)
        with log_context(run_id=self.run_id, flow=self.flow.name):
            try:
                result = self.flow.body(self.parameters, run)
            except BaseException as error:
                self.outcome = self._failed(error, time.monotonic() - began)
                raise
            values = dataclasses.asdict(result)  # type: ignore[call-overload]
            self.outcome = self._ended(FlowState.SUCCEEDED, began, EXIT_OK, result=values)
            if self.settings.notify_urls:
                run.step("notify", self.notify_once)
            if result.web_url:
                run.link(self.flow.name, result.web_url, self.title)
        return result

    def notify_once(self) -> None:
        """Call the flow's `on_end` with the outcome. Idempotent."""
        if self.outcome is not None and not self._notified:
            self._notified = True
            self.flow.on_end(self.outcome, self.settings)

    def refuse(self, error: BaseException) -> FlowOutcome:
        """Record an end that came before the body could start."""
        if self.outcome is None:
            self.outcome = self._failed(error, 0.0)
        return self.outcome

    def _failed(self, error: BaseException, seconds: float) -> FlowOutcome:
        began = time.monotonic() - seconds
        if isinstance(error, WorkflowsError):
            facts = {k: redact(v) if isinstance(v, str) else v for k, v in error.as_dict().items()}
            return self._ended(
                FlowState.FAILED, began, error.exit_code, error=facts, message=redact(str(error))
            )
        text = redact(f"{type(error).__name__}: {error}")
        if is_termination(error):
            code = error.exit_code if isinstance(error, Terminated) else EXIT_TERMINATED
            return self._ended(
                FlowState.TERMINATED, began, code, message=redact(str(error) or text)
            )
        facts = {"type": type(error).__name__, "what": text, "why": "", "fix": ""}
        facts["retryable"] = False
        return self._ended(FlowState.FAILED, began, EXIT_DEFECT, error=facts, message=text)

    def _ended(self, state: FlowState, began: float, exit_code: int, **more: Any) -> FlowOutcome:
        return FlowOutcome(
            workflow=self.flow.name,
            title=self.title,
            run_id=self.run_id,
            state=state,
            duration_s=time.monotonic() - began,
            exit_code=exit_code,
            **more,
        )


def is_termination(error: BaseException) -> bool:
    """Whether a signal caused this: our exception, Python's, or Prefect's."""
    known = isinstance(error, (Terminated, KeyboardInterrupt))
    return known or type(error).__name__ == "TerminationSignal"  # prefect.exceptions
