"""Opens journals: which store a location means, and whether a run may begin or resume there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from workflows.core.config import environment
from workflows.core.errors import RunConflict
from workflows.dag.journal.journal import NoJournal
from workflows.dag.journal.learned import LearnedDurations

if TYPE_CHECKING:
    from workflows.dag.journal.events import RunHeader, RunRecord
    from workflows.dag.journal.journal import Journal

NONE = "none"


@dataclass(slots=True)
class OpenedJournal:
    """A run's journal, the record of what ran before a resume, and durations of earlier runs."""

    journal: Journal
    record: RunRecord | None
    learned: LearnedDurations


def open_journal(
    location: str, header: RunHeader, *, resume: bool, durable: bool, keep_days: float
) -> OpenedJournal:
    """The journal of the run `header.run_id`, locked; with `resume` it may have one already.

    Where a new run begins on this machine, journals of runs that ended more than `keep_days`
    ago are removed; 0 keeps all.

    Raises:
        RunConflict: another process runs it, it is of another DAG, or it is there without `resume`.
        InputError: the place cannot be used.
    """
    if location == NONE:
        return OpenedJournal(NoJournal(), None, LearnedDurations(None))
    if location.startswith("gs://"):
        from workflows.dag.journal.object_store import ObjectJournal

        stored = ObjectJournal.open_object(f"{location.rstrip('/')}/{header.run_id}.json")
        return _begin_run(stored, stored.record(), LearnedDurations(None), header, resume=resume)
    from workflows.dag.journal.sqlite_store import SqliteJournal

    folder = _folder(location)
    local = SqliteJournal.open_file(folder / f"{header.run_id}.sqlite", durable=durable)
    learned = LearnedDurations(folder / "durations", header.name)
    record = local.record()
    opened = _begin_run(local, record, learned, header, resume=resume)
    if record is None:
        from workflows.dag.journal import pruning

        pruning.prune_journals(folder, keep_days, time())
    return opened


def read_run_record(location: str, run_id: str) -> RunRecord | None:
    """The record of a run from its journal, while it runs or after; None: it has no journal.

    Raises:
        InputError: it cannot be read.
    """
    if location.startswith("gs://"):
        from workflows.dag.journal import object_store

        return object_store.read_object_journal(f"{location.rstrip('/')}/{run_id}.json")
    from workflows.dag.journal import sqlite_store

    return sqlite_store.read_sqlite_journal(_folder(location) / f"{run_id}.sqlite")


def list_run_ids(location: str) -> list[str]:
    """The ids of the runs with a local journal there, the latest first."""
    files = sorted(
        _folder(location).glob("*.sqlite"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    return [file.stem for file in files]


def _folder(location: str) -> Path:
    return Path(location).absolute() if location else environment.state_folder() / "dag"


def _begin_run(
    journal: Journal,
    record: RunRecord | None,
    learned: LearnedDurations,
    header: RunHeader,
    *,
    resume: bool,
) -> OpenedJournal:
    try:
        _refuse_conflict(record, header, resume=resume)
    except RunConflict:
        journal.close(record.ended if record else "")
        raise
    if record is not None:
        header.started_at = record.header.started_at
    journal.begin(header)
    return OpenedJournal(journal, record, learned)


def _refuse_conflict(record: RunRecord | None, header: RunHeader, *, resume: bool) -> None:
    if record is None:
        return
    run = f"the run {header.run_id} "
    if not resume:
        raise RunConflict(
            f"{run}is there already",
            why=f"it {record.ended or 'was cut off'}",
            fix="go on with it by --resume, or choose another --run-id",
        )
    if record.header.fingerprint != header.fingerprint:
        raise RunConflict(
            f"{run}belongs to another workflow",
            why=f"it was started for {record.header.name!r}; its file or parameters have changed",
            fix="resume it with the same file and parameters, or choose another --run-id",
        )
