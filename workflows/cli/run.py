"""`workflows run`: checks the input, runs the flow, shows its steps and prints the outcome."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workflows.cli import output
from workflows.core import observability
from workflows.core.errors import Terminated
from workflows.core.flow import FlowExecution, FlowState
from workflows.core.prefect import orchestration
from workflows.core.process import signals
from workflows.core.progress import LogReporter
from workflows.core.redaction import redact

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from workflows.core.config.settings import Settings
    from workflows.core.flow import Flow, Reporter


def run_flow(
    flow: Flow,
    given: Mapping[str, Any],
    settings: Settings,
    found: argparse.Namespace,
    problems: Sequence[str] = (),
) -> int:
    """Run `flow` with the parameters given on the command line; the exit code is the outcome's.

    `found` has the flags that every run has. `problems` are what is wrong with the command line;
    they are reported together with what is wrong with the parameters.

    Raises:
        InputError: the parameters are not right; nothing was started.
    """
    live = _is_live(settings, quiet=found.quiet or found.json)
    observability.configure_logs(settings, quiet=found.quiet, brief=live)
    parameters = flow.validate({**settings.workflow_parameters, **given}, settings, problems)
    run_id = settings.given_run_id or os.urandom(6).hex()
    with _reporter(live=live) as reporter:
        execution = FlowExecution(flow, parameters, settings, reporter, run_id)
        finish = _Finish(execution, as_json=found.json, quiet=found.quiet)
        with signals.forced_exit_code(finish.forced):
            try:
                orchestration.execute(execution, at_forced_end=finish)
            except Terminated as stop:  # it came just before the body or just after it
                execution.refuse(stop)
        signals.ignore_signals()  # the outcome does not change any more
    return finish()


class _Finish:
    """Prints the outcome once, in whichever thread calls it first."""

    def __init__(self, execution: FlowExecution, *, as_json: bool, quiet: bool) -> None:
        self._execution = execution
        self._as_json = as_json
        self._quiet = quiet
        self._first = threading.Lock()  # taken by the thread that prints, and never released

    def __call__(self) -> int:
        """Print the outcome if it was not printed yet; return its exit code."""
        outcome = self._execution.refuse(Terminated())  # changes nothing if it has ended
        if self._first.acquire(blocking=False):
            if outcome.state is not FlowState.SUCCEEDED:
                output.say_error(f"error: {outcome.message}")
            elif not self._quiet and not self._as_json:
                output.say(redact(_for_people(outcome.result or {})))
            if self._as_json:
                output.say_json(outcome.as_dict())
        return outcome.exit_code

    def forced(self, signal_number: int) -> int:
        """The same, for an end forced by a signal."""
        self._execution.refuse(Terminated(signal_number))
        return self()


def _for_people(result: dict[str, object]) -> str:
    """`branch     hello-world`, a line for each field that is not None."""
    shown = {key.replace("_", " "): value for key, value in result.items() if value is not None}
    width = max(map(len, shown), default=0) + 2
    words = {True: "yes", False: "no"}
    return "".join(
        f"{key:<{width}}{words[value] if isinstance(value, bool) else value}\n"
        for key, value in shown.items()
    )


def _is_live(settings: Settings, *, quiet: bool) -> bool:
    return not quiet and not settings.json_logs and sys.stderr.isatty()


@contextmanager
def _reporter(*, live: bool) -> Iterator[Reporter]:
    """A live step list on a terminal, log lines elsewhere."""
    if not live:
        yield LogReporter()
        return
    from workflows.cli.live import LiveReporter

    with LiveReporter() as reporter:
        yield reporter
