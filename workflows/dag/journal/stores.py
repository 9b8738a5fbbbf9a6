"""Where journals are: which store a location means, and whether a run may begin or go on there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from workflows.core.config import environment
from workflows.core.errors import RunConflict
from workflows.dag.journal.journal import Header, Journal, Nowhere, Past

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "none"
_WORTH_KEEPING_S = 0.5  # a step that takes less is found by the first look anyway


@dataclass(slots=True)
class Opened:
    """A run's journal, what it says of an earlier attempt, and the durations learned so far."""

    journal: Journal
    past: Past | None
    learned: Learned


def open_journal(
    location: str, header: Header, *, resume: bool, durable: bool, keep_days: float
) -> Opened:
    """The journal of the run `header.run_id`, locked; with `resume` it may have one already.

    Where a new run begins on this machine, journals of runs that ended more than `keep_days`
    ago are removed; 0 keeps all.

    Raises:
        RunConflict: it is at work elsewhere, is another workflow's, or is there without `resume`.
        InputError: the place cannot be used.
    """
    if location == NONE:
        return Opened(Nowhere(), None, Learned(None))
    if location.startswith("gs://"):
        from workflows.dag.journal.object_store import ObjectJournal

        stored = ObjectJournal.open_run(f"{location.rstrip('/')}/{header.run_id}.json")
        return _checked(stored, stored.past(), Learned(None), header, resume=resume)
    from workflows.dag.journal.sqlite_store import SqliteJournal

    folder = _folder(location)
    local = SqliteJournal.open_run(folder / f"{header.run_id}.sqlite", durable=durable)
    learned = Learned(folder / "durations", header.name)
    past = local.past()
    opened = _checked(local, past, learned, header, resume=resume)
    if past is None:
        from workflows.dag.journal import pruning

        pruning.prune(folder, keep_days, time())
    return opened


def read_past(location: str, run_id: str) -> Past | None:
    """What the journal of a run says, while it runs or after; None where there is none.

    Raises:
        InputError: it cannot be read.
    """
    if location.startswith("gs://"):
        from workflows.dag.journal import object_store as journal_object

        return journal_object.read(f"{location.rstrip('/')}/{run_id}.json")
    from workflows.dag.journal import sqlite_store as journal_sqlite

    return journal_sqlite.read(_folder(location) / f"{run_id}.sqlite")


def runs(location: str) -> list[str]:
    """The ids of the runs with a local journal there, the latest first."""
    files = sorted(
        _folder(location).glob("*.sqlite"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    return [file.stem for file in files]


def _folder(location: str) -> Path:
    return Path(location).absolute() if location else environment.state_folder() / "dag"


def _checked(
    journal: Journal, past: Past | None, learned: Learned, header: Header, *, resume: bool
) -> Opened:
    try:
        _check(past, header, resume=resume)
    except RunConflict:
        journal.close(past.ended if past else "")
        raise
    if past is not None:
        header.started_at = past.header.started_at
    journal.begin(header)
    return Opened(journal, past, learned)


def _check(past: Past | None, header: Header, *, resume: bool) -> None:
    if past is None:
        return
    run = f"the run {header.run_id} "
    if not resume:
        raise RunConflict(
            f"{run}is there already",
            why=f"it {past.ended or 'was cut off'}",
            fix="go on with it by --resume, or choose another --run-id",
        )
    if past.header.fingerprint != header.fingerprint:
        raise RunConflict(
            f"{run}belongs to another workflow",
            why=f"it was started for {past.header.name!r}; the file or its parameters have changed",
            fix="resume it with the same file and parameters, or choose another --run-id",
        )


class Learned:
    """How long the steps of a workflow took, by step id, in seconds. Losing it costs looks only."""

    def __init__(self, folder: Path | None, name: str = "") -> None:
        self._file: Path | None = None
        self.durations_s: dict[str, float] = {}
        if folder is None:
            return
        from urllib.parse import quote

        self._file = folder / f"{quote(name, safe='')[:200]}.json"
        try:
            found = json.loads(self._file.read_bytes())
            self.durations_s = {str(k): float(v) for k, v in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.durations_s = {}

    def learn(self, took_s: Mapping[str, float]) -> None:
        """Take in this run's durations, half and half with what was known."""
        if self._file is None:
            return
        known = self.durations_s
        news = {step: s for step, s in took_s.items() if s >= _WORTH_KEEPING_S or step in known}
        if not news:
            return
        for step, seconds in news.items():
            known[step] = round((known.get(step, seconds) + seconds) / 2, 3)
        scratch = self._file.with_suffix(".tmp")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(known))
            scratch.replace(self._file)
        except OSError:
            return
