"""`workflows dag status`: what the journal of a run says."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workflows.cli import output
from workflows.core.errors import CommandLineInvalid, TransientError
from workflows.core.redaction import redact

if TYPE_CHECKING:
    import argparse

    from workflows.dag.journal.events import RunRecord


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

    where = found.journal or ""
    if not found.run_id:
        output.say("\n".join(journals.list_run_ids(where)) or "no runs")
        return 0
    record = journals.read_run_record(where, found.run_id)
    if record is None:
        raise CommandLineInvalid(
            f"there is no run {found.run_id!r}",
            why="it was never started there, or ended longer ago than WORKFLOWS_JOURNAL_DAYS",
            fix="see --journal",
        )
    _print_record(found.run_id, record, as_json=found.json)
    return {"succeeded": 0, "failed": 1}.get(record.ended, TransientError.exit_code)


def _print_record(run_id: str, record: RunRecord, *, as_json: bool) -> None:
    name, state = record.header.name, record.ended or "not ended"
    counts, failed = _counts(record), _failures(record)
    if as_json:
        facts = {"run_id": run_id, "name": name, "state": state}
        steps = len(record.header.steps)
        output.say_json({**facts, "steps": steps, "counts": counts, "failed": failed})
        return
    shown = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    lines = [f"{name}: {message}" for name, message in failed.items()]
    output.say(redact("\n".join([f"{name}, run {run_id}: {state}", shown, *lines])))


def _counts(record: RunRecord) -> dict[str, int]:
    """How many steps are in which state; a step that the journal does not know waits."""
    from workflows.dag.states import StepState

    states = Counter(step.state for step in record.steps.values())
    states[StepState.WAITING] += len(record.header.steps) - len(record.steps)
    return {state.name.lower(): states[state] for state in StepState if states[state]}


def _failures(record: RunRecord) -> dict[str, str]:
    """The message of each step that failed or was cancelled, by the step's id."""
    from workflows.dag.states import StepState

    names = record.header.steps
    return {
        names[number]: step.message
        for number, step in record.steps.items()
        if step.state in {StepState.FAILED, StepState.CANCELLED}
    }
