"""Runs flows under Prefect, which shows runs and can cancel them; the outcome is ours.

With `PREFECT_API_URL` set a run goes through Prefect's engine, so that the run, its steps,
retries, links and logs are seen there. The body runs exactly once, whatever the API does. If the
API cannot be reached, the body runs without it. If the API fails during the run, the body goes on.
When the body has ended, the process waits at most `prefect_grace_s` seconds for Prefect to finish.
Without an API nothing of Prefect is imported, because the import takes 1.7 s.

Measurements behind these choices: docs/decisions/0003-prefect-looks-on.md.
"""

from __future__ import annotations

import contextvars
import copy
import inspect
import logging
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from workflows.core import observability
from workflows.core.config import environment
from workflows.core.config import settings as settings_module
from workflows.core.config.choices import PrefectMode
from workflows.core.errors import EXIT_TERMINATED, TransientError, WorkflowsError
from workflows.core.flow import FlowExecution, FlowOutcome, FlowState, is_termination, retry_delays
from workflows.core.prefect import server as prefect_server
from workflows.core.process import signals
from workflows.core.progress import LogReporter
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    import prefect

    from workflows.core.config.settings import Settings
    from workflows.core.flow import Flow, FlowResult, Progress

T = TypeVar("T")

_log = observability.logger("prefect")
_REQUEST_S = 5.0
_OWN_SERVER_S = 120.0  # a server that has to be started first; 20 s here


@dataclass
class _Handed:
    """What our command line hands to the Prefect flow it is about to call, for one call."""

    execution: FlowExecution
    at_forced_end: Callable[[], int]


_handed: contextvars.ContextVar[_Handed | None] = contextvars.ContextVar("handed", default=None)
_running: dict[str, FlowExecution] = {}  # by flow run id, for Prefect's hooks


class _TooLate(BaseException):
    """Prefect did not start the body in time. No Exception, so that Prefect does not catch it."""


def execute(execution: FlowExecution, *, at_forced_end: Callable[[], int]) -> FlowOutcome:
    """Run the flow once, under Prefect where that is asked for, and return its outcome.

    `at_forced_end` is called if Prefect delays the end of the process after the work is done; it
    prints the outcome and returns the exit code. Errors of the body are in the outcome, not raised.
    """
    if _wanted(execution.settings):
        try:
            _run_under_prefect(execution, at_forced_end)
        except BaseException as error:  # noqa: BLE001 - the outcome decides, not Prefect
            _log_troubles(execution, error)
    if execution.outcome is None and not execution.started:
        try:
            execution.run()
        except BaseException as error:  # noqa: BLE001 - recorded in the outcome
            execution.refuse(error)
    assert execution.outcome is not None  # noqa: S101 - run() and refuse() both set it
    execution.notify_once()
    return execution.outcome


def module_attribute(flow: Flow) -> Callable[[str], Any]:
    """A module's `__getattr__` that makes `module:flow_name` a Prefect flow when it is asked for.

    So `prefect deploy`, `serve` and workers find real flows, and everyone else pays nothing.
    """
    made: list[prefect.Flow[..., Any]] = []

    def getattr_(name: str) -> Any:
        if name != flow.name:
            raise AttributeError(f"module {flow.module!r} has no attribute {name!r}")
        if not made:
            made.append(prefect_flow(flow))
        return made[0]

    return getattr_


def prefect_flow(flow: Flow) -> prefect.Flow[..., Any]:
    """The flow as Prefect knows it: parameters by name, run name, hooks that notify."""
    environment.set_default("DO_NOT_TRACK", "1")
    import prefect

    def entry(**values: Any) -> FlowResult:
        handed = _handed.get()
        _handed.set(None)  # for this call only: the next one is somebody else's
        execution = handed.execution if handed else _started_by_prefect(flow, values)
        _running[_flow_run_id()] = execution
        try:
            return execution.run(_PrefectSteps(handed))
        finally:
            _bound_the_end(handed)

    entry.__name__ = entry.__qualname__ = flow.name
    entry.__module__ = flow.module
    entry.__doc__ = flow.summary
    entry.__signature__ = _signature(flow)  # type: ignore[attr-defined]

    def run_name() -> str:
        handed = _handed.get()
        return handed.execution.title if handed else _title_of_this_run(flow)

    notify_end = _end_notifier(flow)
    decorate = prefect.flow(
        name=flow.name,
        flow_run_name=run_name,
        validate_parameters=False,  # Flow.validate does, with clearer messages
        persist_result=False,
        retries=0,  # Prefect's own default is a setting; steps are retried, a body never
        on_failure=[notify_end],
        on_crashed=[notify_end],
        on_cancellation=[notify_end],
    )
    return decorate(entry)


def _title_of_this_run(flow: Flow) -> str:
    """The title of a run that Prefect started and is naming; the flow's name if it will fail."""
    from prefect.runtime import flow_run

    try:
        return flow.title(flow.validate(flow_run.parameters, settings_module.load()))
    except WorkflowsError:
        return flow.name


def _flow_run_id() -> str:
    from prefect.runtime import flow_run

    return str(flow_run.id)


def _bound_the_end(handed: _Handed | None) -> None:
    """From now on Prefect has `prefect_grace_s` seconds. May be called twice."""
    if handed is not None:
        outcome = handed.execution.outcome
        code = EXIT_TERMINATED if outcome is None else outcome.exit_code
        grace = handed.execution.settings.prefect_grace_s
        signals.force_exit_after(grace, handed.at_forced_end, code)


def _wanted(settings: Settings) -> bool:
    """Whether to go through Prefect; a warning where it is wanted and cannot be reached."""
    mode = settings.prefect_mode
    if mode is PrefectMode.EPHEMERAL:
        return True
    if mode is PrefectMode.OFF or settings.prefect_api_url is None:
        return False
    return prefect_server.is_reachable(settings.prefect_api_url)


def _run_under_prefect(execution: FlowExecution, at_forced_end: Callable[[], int]) -> None:
    flow = prefect_flow(execution.flow)
    token = _handed.set(_Handed(execution, at_forced_end))
    try:
        with _prefect_settings(execution.settings), _logs(), _begin_in_time(execution):
            flow(**execution.parameters.model_dump(mode="json"))
    finally:
        _handed.reset(token)


@contextmanager
def _begin_in_time(execution: FlowExecution) -> Iterator[None]:
    """Interrupt Prefect if the body has not started in time, repeatedly if necessary.

    Only an alarm ends every kind of waiting that Prefect does before a run: a retry after the
    hour that a gateway named, a state that is never accepted, four seconds for each call.
    """
    own_server = execution.settings.prefect_mode is PrefectMode.EPHEMERAL
    limit_s = _OWN_SERVER_S if own_server else execution.settings.prefect_start_s

    def on_alarm(_: int, __: FrameType | None) -> None:
        if execution.started:
            signal.setitimer(signal.ITIMER_REAL, 0)
        else:
            raise _TooLate(f"Prefect did not let the run begin within {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _REQUEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _log_troubles(execution: FlowExecution, error: BaseException) -> None:
    """Log where Prefect's view of the run differs from the run's own outcome."""
    if execution.started:
        succeeded = execution.outcome is not None and execution.outcome.state is FlowState.SUCCEEDED
        if succeeded and not is_termination(error):
            _log.warning("the work is done, but Prefect failed: %s", redact(str(error)))
    elif is_termination(error):
        execution.refuse(error)
    else:
        _log.warning("running without Prefect: %s", redact(f"{type(error).__name__}: {error}"))


@contextmanager
def _prefect_settings(settings: Settings) -> Iterator[None]:
    """Prefect's own settings for the time of a run."""
    import prefect.settings as ps

    updates: dict[Any, Any] = {
        ps.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # every flow would end with up to 1 s of wait
        ps.PREFECT_API_REQUEST_TIMEOUT: _REQUEST_S,
        ps.PREFECT_CLIENT_MAX_RETRIES: 1,  # five retries cost minutes when the API is gone
        ps.PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore",
        ps.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
    }
    if settings.prefect_mode is PrefectMode.EPHEMERAL:
        for name, value in prefect_server.BATCH_SETTINGS.items():
            environment.set_default(name, value)
        updates |= {
            ps.PREFECT_API_URL: None,
            ps.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: True,
            ps.PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: int(_OWN_SERVER_S),
        }
    with ps.temporary_settings(updates):
        yield


class _Redacting(logging.Filter):
    """Redacts Prefect's own records, which are sent to the API and nowhere else."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


@contextmanager
def _logs() -> Iterator[None]:
    """Send our log lines to the API too, and Prefect's warnings through our log.

    The second stays after the run: Prefect logs warnings while the interpreter ends as well.
    """
    from prefect.logging.handlers import APILogHandler

    class Handler(APILogHandler):
        """Sends a redacted copy with the step's name; the record itself is for others too."""

        def emit(self, record: logging.LogRecord) -> None:
            step = observability.current_context().get("step")
            sent = copy.copy(record)
            sent.msg = redact(f"{step}: {record.getMessage()}" if step else record.getMessage())
            sent.args = ()
            super().emit(sent)

    for name in ("prefect.flow_runs", "prefect.task_runs"):
        theirs = logging.getLogger(name)
        theirs.propagate = False  # they go to the API; our own lines say the same here
        theirs.addFilter(_Redacting())
    observability.adopt("", "prefect._internal")
    handler = Handler()
    ours = observability.logger()
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)


class _PrefectSteps:
    """Each step a Prefect task, called directly: SIGTERM reaches it, retries are shown."""

    def __call__(self, name: str, call: Callable[[], T], settings: Settings) -> T:
        import prefect
        from prefect.cache_policies import NO_CACHE

        delays = retry_delays(settings)
        decorate = prefect.task(
            name=name,
            task_run_name=name,
            retries=len(delays),
            retry_delay_seconds=delays or None,
            retry_condition_fn=_may_pass,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        return decorate(call)()

    def __init__(self, handed: _Handed | None) -> None:
        self._handed = handed

    def progress(self, title: str, total: int) -> AbstractContextManager[Progress]:
        from workflows.core.prefect import progress as prefect_progress

        return prefect_progress.show_progress(title, total)

    def link(self, key: str, url: str, text: str) -> None:
        from prefect.artifacts import create_link_artifact

        _bound_the_end(self._handed)  # the work is done, and this waits for the API
        try:
            create_link_artifact(link=url, link_text=redact(text), key=key.replace("_", "-"))
        except Exception as error:  # noqa: BLE001 - a link that is not shown fails nothing
            _log.warning("the link is not shown in Prefect: %s", redact(str(error)))


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Prefect's question whether a failed step is tried again."""
    try:
        state.result()
    except TransientError:
        return True
    except BaseException:  # noqa: BLE001 - the question is only which kind it is
        return False
    return False


def _end_notifier(ours: Flow) -> Callable[..., None]:
    """Prefect's hook for failed, crashed and cancelled runs.

    It is called in the run's own process, where the outcome is known; but for a cancelled run in
    the process of `serve` or of a worker, which knows only what Prefect knows.
    """

    def notify_end(flow: Any, flow_run: Any, state: Any) -> None:
        execution = _running.get(str(flow_run.id))
        if execution is not None:
            execution.notify_once()
            return
        settings = settings_module.load()
        observability.configure_logs(settings)
        failed = bool(state.is_failed())
        outcome = FlowOutcome(
            workflow=flow.name,
            title=flow_run.name,
            run_id=str(flow_run.id),
            state=FlowState.FAILED if failed else FlowState.TERMINATED,
            duration_s=flow_run.estimated_run_time.total_seconds(),
            exit_code=WorkflowsError.exit_code if failed else EXIT_TERMINATED,
            message=redact(str(state.message or state.name)),
        )
        ours.on_end(outcome, settings)

    return notify_end


def _started_by_prefect(flow: Flow, values: dict[str, Any]) -> FlowExecution:
    """An execution for a run that a Prefect worker, `serve` or another program started."""
    settings = settings_module.load()
    observability.configure_logs(settings)
    return FlowExecution(
        flow=flow,
        parameters=flow.validate(values, settings),
        settings=settings,
        reporter=LogReporter(),
        run_id=settings.run_id or _flow_run_id(),
    )


def _signature(flow: Flow) -> inspect.Signature:
    """The flow's parameters as Prefect reads them: names, types, defaults, descriptions."""
    from pydantic import Field

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=str if field.annotation is None else field.annotation,
            default=inspect.Parameter.empty
            if field.is_required()
            else Field(field.default, description=field.description),
        )
        for name, field in flow.parameters.model_fields.items()
    ]
    return inspect.Signature(parameters)
