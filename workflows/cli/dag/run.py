"""`workflows dag run`: from flags to a run, and from its outcome to an exit code.

A run of 1,000 short steps takes a quarter of a second; importing pydantic alone takes longer. So
this command imports neither pydantic nor Prefect. Where Prefect or notifications are asked for,
the same options go to the flow `run_dag` instead.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.cli import flags, output
from workflows.core import observability
from workflows.core.config.choices import PrefectMode

if TYPE_CHECKING:
    import argparse

    from workflows.core.config.settings import Settings
    from workflows.dag.run import DagRun, RunDisplay, RunSummary


def add_dag_run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `dag run`: the options of a DAG run, and what every run has."""
    from workflows.dag.options import DagRunOptions

    declared = flags.flags_of_values(DagRunOptions)
    flags.add_parameter_flags(parser, declared, refuse_missing=True)
    flags.add_run_flags(parser)


def run_dag_file(found: argparse.Namespace) -> int:
    """Carry out `dag run`.

    Raises:
        InputError: the file, the options or the settings are not right; nothing was submitted.
        WorkflowsError: the run could not go on.
        StepsFailed: steps failed; the outcome was printed.
    """
    from workflows.dag import run as dag_run
    from workflows.dag.options import DagRunOptions, dag_params

    given = flags.given_values(found, DagRunOptions)
    settings = flags.run_settings(found)
    if _needs_flow(settings):
        return _run_as_flow(given, settings, found)
    observability.configure_logs(settings, quiet=found.quiet)
    options = flags.read_values(given, DagRunOptions, "workflows dag run")
    dag = dag_run.load_runnable_dag(options.dag_path, dag_params(options.param), settings)
    one = dag_run.DagRun(dag, options, settings, _display(settings, found))
    summary = one.carry_out()
    if options.report:
        _write_report(Path(options.report), one, summary)
    return _print_outcome(summary, as_json=found.json, quiet=found.quiet)


def _needs_flow(settings: Settings) -> bool:
    """Whether Prefect or notifications are asked for, which only flows have."""
    if settings.prefect_mode is PrefectMode.EPHEMERAL or settings.notify_urls:
        return True
    return settings.prefect_mode is not PrefectMode.OFF and settings.prefect_api_url is not None


def _run_as_flow(given: dict[str, Any], settings: Settings, found: argparse.Namespace) -> int:
    """The same run as the flow `run_dag`."""
    from workflows.cli import catalog
    from workflows.cli import run as run_command

    return run_command.run_flow(catalog.find("run_dag"), given, settings, found)


def _display(settings: Settings, found: argparse.Namespace) -> RunDisplay:
    """A live view on a terminal, plain lines elsewhere, nothing with --quiet or --json."""
    from workflows.dag.show.progress import ProgressLines, SilentProgress

    if found.quiet or found.json:
        return SilentProgress()
    if sys.stderr.isatty() and settings.cloud_run_job is None:
        from workflows.cli.dag.live import LiveView

        return LiveView()
    return ProgressLines(output.say_error)


def _print_outcome(summary: RunSummary, *, as_json: bool, quiet: bool) -> int:
    """Print the outcome for people or as JSON. The exit code: 0 if every step succeeded."""
    error = None if summary.succeeded else summary.error()
    if error is not None:
        output.say_error(f"error: {error}")
    elif not quiet and not as_json:
        output.say(_for_people(summary))
    code = 0 if error is None else error.exit_code
    if as_json:
        facts: dict[str, Any] = {
            "state": "succeeded" if error is None else "failed",
            "exit_code": code,
            **asdict(summary),
        }
        if error is not None:
            facts["error"] = error.as_dict()
        output.say_json(facts)
    return code


def _for_people(summary: RunSummary) -> str:
    """Three lines: how many steps ended how, the critical path, the run's id."""
    counts = ", ".join(f"{count:,} {state}" for state, count in summary.counts.items())
    path = summary.critical_path
    shown = [*path[:4], "…", path[-1]] if len(path) > 6 else path  # noqa: PLR2004
    return (
        f"{summary.name}: {counts} in {summary.duration_s:.2f} s\n"
        f"critical path  {summary.critical_path_s:.2f} s: {' -> '.join(shown)}\n"
        f"run id         {summary.run_id}"
    )


def _write_report(target: Path, one: DagRun, summary: RunSummary) -> None:
    from workflows.dag.show import report

    assert one.state is not None  # noqa: S101 - it has run
    try:
        target.write_text(report.report_page(one.state, summary), encoding="utf-8")
    except OSError as error:
        output.say_error(f"the report is not written: {error}")
