"""`workflows dag run` and `dag status`: from flags to a run, and its outcome to an exit code.

Light on purpose: a run of 1,000 short steps takes a quarter of a second, pydantic alone more. So
the file, the options and the log are set up here without `core.config.settings`; where Prefect or
notifications are asked for the same flags go through the flow `run_dag` instead.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.cli import output
from workflows.core import observability
from workflows.core.config import environment
from workflows.core.errors import CommandLineInvalid, TransientError
from workflows.core.redaction import redact

if TYPE_CHECKING:
    import argparse

    from workflows.dag.run import DagRun, RunDisplay, RunSummary


def run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `dag run`; those of the flow `run_dag` have the same names."""
    add = parser.add_argument
    add("--dag-path", "--workflow-path", metavar="FILE", required=True, help="YAML or JSON file")
    add("--tr-hostname", "--tr-url", metavar="URL", required=True, help="the Task Runner's address")
    add(
        "--tr-auth-jwt",
        metavar="TOKEN",
        help="token for the runner, `none` to send none; default: TR_AUTH_JWT, else Google ID"
        " tokens for its address",
    )
    add("--param", metavar="K=V", action="append", default=[], help="for {{ params.K }}")
    add("--run-id", metavar="ID", help="name of this run; made up where it is not given")
    add("--resume", action="store_true", help="go on with the run of that id, if there is one")
    add("--journal", metavar="DIR", help="folder, gs://bucket/prefix or `none`; see the docs")
    add("--journal-sync", choices=("normal", "full"), default="normal", help="full: wait for disk")
    add("--poll-interval", metavar="S", type=float, help="seconds between first looks (1)")
    add("--max-parallel", metavar="N", type=int, help="most jobs at one time")
    add("--connections", metavar="N", type=int, default=64, help="most connections (64)")
    add("--cancel-on-exit", action="store_true", help="cancel running jobs when stopped")
    add("--lost-answers", choices=("fail", "repeat"), default="fail", help="see the docs")
    add("--job-names", choices=("plain", "unique"), default="plain", help="see the docs")
    add("--report", metavar="FILE", help="write a page about the run, in HTML")
    add("--json", action="store_true", help="print the outcome as one JSON object, the last line")
    add("--quiet", "-q", action="store_true", help="print errors only (and --json's object)")
    add("--prefect", choices=("auto", "off", "ephemeral"), help="show the run in Prefect")


def run(found: argparse.Namespace) -> int:
    """Carry out `dag run`.

    Raises:
        InputError: the file or the options are not right; nothing was submitted.
        WorkflowsError: the run could not go on.
        StepsFailed: steps failed; the outcome was printed.
    """
    if _wants_more(found):
        return _through_flow(found)
    observability.configure_logs_lightly(
        secrets=environment.secrets(), quiet=found.quiet, brief=False
    )
    from workflows.dag import run as running  # noqa: PLC0415 - `--help` does without it
    from workflows.dag.options import Options  # noqa: PLC0415

    options = Options(
        runner=found.tr_hostname,
        token=found.tr_auth_jwt or environment.variable("TR_AUTH_JWT"),
        run_id=found.run_id or running.run_id_of_environment(),
        resume=found.resume,
        journal=found.journal or "",
        durable=found.journal_sync == "full",
        poll_interval_s=found.poll_interval,
        max_parallel=found.max_parallel,
        connections=found.connections,
        cancel_on_exit=found.cancel_on_exit,
        repeat_lost=found.lost_answers == "repeat",
        unique_names=found.job_names == "unique",
    )
    dag = running.load_runnable_dag(found.dag_path, params_of(found.param))
    one = running.DagRun(dag, options, _display(quiet=found.quiet or found.json))
    summary = one.carry_out()
    if found.report:
        _report(Path(found.report), one, summary)
    return _say(summary, as_json=found.json, quiet=found.quiet)


def params_of(words: list[str]) -> dict[str, str]:
    """`K=V` words as a mapping; the last of a name counts.

    Raises:
        CommandLineInvalid: a word without `=` or name.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandLineInvalid(f"--param {word!r}: is NAME=VALUE")
        found[name] = value
    return found


def _wants_more(found: argparse.Namespace) -> bool:
    """Whether Prefect or notifications are asked for: what the flow's frame does."""
    if found.prefect == "ephemeral" or environment.variable("NOTIFY_URLS"):
        return True
    mode = found.prefect or environment.variable("WORKFLOWS_PREFECT")
    return mode != "off" and environment.variable("PREFECT_API_URL") is not None


def _through_flow(found: argparse.Namespace) -> int:
    """The same run as the flow `run_dag`."""
    from workflows.cli import catalog, flags  # noqa: PLC0415
    from workflows.cli import run as run_command  # noqa: PLC0415

    flow = catalog.find("run_dag")
    names = set(flow.parameters.model_fields)
    words: list[str] = []
    for name in names & set(vars(found)):
        value = getattr(found, name)
        given = value if isinstance(value, list) else [value]
        words += [f"--{name}={one}" for one in given if one is not None and one is not False]
    words += [f"--{name}" for name in ("json", "quiet") if getattr(found, name)]
    words += [f"--prefect={found.prefect}"] if found.prefect else []
    parser = flags.Parser(prog="workflows dag run")
    flags.add_flow_flags(parser, flow)
    flags.add_run_flags(parser)
    parsed, problems = flags.sift(parser, words)
    return run_command.run_flow(flow, parsed, problems)


def _display(*, quiet: bool) -> RunDisplay:
    """A live view on a terminal, plain lines elsewhere, nothing where it is to be quiet."""
    from workflows.dag.show.progress import Lines, Silent  # noqa: PLC0415

    if quiet:
        return Silent()
    if sys.stderr.isatty() and environment.variable("CLOUD_RUN_JOB") is None:
        from workflows.cli.dag.live import LiveView  # noqa: PLC0415 - rich is for terminals

        return LiveView()
    return Lines(output.complain)


def _say(summary: RunSummary, *, as_json: bool, quiet: bool) -> int:
    """The outcome, for people or as JSON; 0 only when every step succeeded."""
    error = None if summary.succeeded else summary.error()
    if error is not None:
        output.complain(f"error: {error}")
    elif not quiet and not as_json:
        output.say(for_people(summary))
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


def for_people(summary: RunSummary) -> str:
    """Three lines: what ran, the longest way through, the run's id."""
    counts = ", ".join(f"{count:,} {state}" for state, count in summary.counts.items())
    path = summary.critical_path
    shown = [*path[:4], "…", path[-1]] if len(path) > 6 else path  # noqa: PLR2004
    return (
        f"{summary.name}: {counts} in {summary.duration_s:.2f} s\n"
        f"critical path  {summary.critical_path_s:.2f} s: {' -> '.join(shown)}\n"
        f"run id         {summary.run_id}"
    )


def _report(target: Path, one: DagRun, summary: RunSummary) -> None:
    from workflows.dag.show import report  # noqa: PLC0415 - only where one is wanted

    assert one.engine is not None  # noqa: S101 - it has run
    try:
        target.write_text(report.page(one.engine, summary), encoding="utf-8")
    except OSError as error:
        output.complain(f"the report is not written: {error}")


def status_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `dag status`."""
    parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="default: list the runs")
    parser.add_argument("--journal", metavar="DIR", help="folder or gs://bucket/prefix")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def status(found: argparse.Namespace) -> int:
    """What the journal says of a run: 0 it succeeded, 1 it failed, 75 it has not ended.

    Raises:
        CommandLineInvalid: there is no such run.
    """
    from workflows.dag.journal import stores as journals  # noqa: PLC0415
    from workflows.dag.states import StepState  # noqa: PLC0415

    where = found.journal or ""
    if not found.run_id:
        output.say("\n".join(journals.runs(where)) or "no runs")
        return 0
    past = journals.read_past(where, found.run_id)
    if past is None:
        raise CommandLineInvalid(
            f"there is no run {found.run_id!r}",
            why="it was never started there, or ended longer ago than WORKFLOWS_JOURNAL_DAYS",
            fix="see --journal",
        )
    names = past.header.steps
    counts = {state.name.lower(): 0 for state in StepState}
    for step in past.steps.values():
        counts[step.state.name.lower()] += 1
    counts["waiting"] += len(names) - len(past.steps)
    failed = {
        names[number]: step.message
        for number, step in past.steps.items()
        if step.state in {StepState.FAILED, StepState.CANCELLED}
    }
    state = past.ended or "not ended"
    counts = {name: count for name, count in counts.items() if count}
    if found.json:
        facts = {"run_id": found.run_id, "name": past.header.name, "state": state}
        output.say_json({**facts, "steps": len(names), "counts": counts, "failed": failed})
    else:
        shown = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        lines = [f"{past.header.name}, run {found.run_id}: {state}", shown]
        lines += [f"{name}: {message}" for name, message in failed.items()]
        output.say(redact("\n".join(lines)))
    return {"succeeded": 0, "failed": 1}.get(past.ended, TransientError.exit_code)
