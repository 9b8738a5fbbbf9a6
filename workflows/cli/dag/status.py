"""`workflows dag status`: what the journal of a run says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.cli import output
from workflows.core.errors import CommandLineInvalid, TransientError
from workflows.core.redaction import redact

if TYPE_CHECKING:
    import argparse


def add_status_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `dag status`."""
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN_ID", help="Id of the run (default: list all runs)."
    )
    parser.add_argument(
        "--journal", metavar="DIR", help="Folder of the journals, or gs://BUCKET/PREFIX."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")


def show_status(found: argparse.Namespace) -> int:
    """What the journal says of a run: 0 it succeeded, 1 it failed, 75 it has not ended.

    Raises:
        CommandLineInvalid: there is no such run.
    """
    from workflows.dag.journal import stores as journals
    from workflows.dag.states import StepState

    where = found.journal or ""
    if not found.run_id:
        output.say("\n".join(journals.list_run_ids(where)) or "no runs")
        return 0
    past = journals.read_run_record(where, found.run_id)
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
