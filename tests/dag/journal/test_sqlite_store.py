"""Journals on this machine: read while they are written, and refused where they are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workflows.core.errors import InputError, RunConflict
from workflows.dag.journal import events
from workflows.dag.journal.events import RunHeader, StepRecord
from workflows.dag.journal.sqlite_store import SqliteJournal
from workflows.dag.journal.stores import read_run_record
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from pathlib import Path

HEADER = RunHeader("r1", "test", "f", ["a"], "http://runner", 12.5)


@pytest.mark.parametrize("durable", [False, True])
def test_what_was_flushed_is_read_while_the_run_works(tmp_path: Path, *, durable: bool) -> None:
    journal = SqliteJournal.open_file(tmp_path / "journals" / "r1.sqlite", durable=durable)
    journal.begin(HEADER)
    journal.note(events.submission_event(0, 1, 5.0))
    journal.flush()
    journal.note(events.job_event(0, 1, "job-1", 6.0))

    record = read_run_record(str(tmp_path / "journals"), "r1")
    journal.close("failed")
    after = read_run_record(str(tmp_path / "journals"), "r1")

    assert record
    assert after
    assert (record.header, record.ended) == (HEADER, "")
    assert record.steps == {0: StepRecord(1, "", StepState.READY, "", 5.0)}
    assert (after.ended, after.steps[0].job_id) == ("failed", "job-1")


def test_a_run_that_begins_again_has_not_ended(tmp_path: Path) -> None:
    file = tmp_path / "r1.sqlite"
    first = SqliteJournal.open_file(file)
    assert first.record() is None
    first.begin(HEADER)
    first.note(events.submission_event(0, 1, 5.0))
    first.close("failed")

    second = SqliteJournal.open_file(file)
    record = second.record()
    second.begin(HEADER)
    again = read_run_record(str(tmp_path), "r1")
    second.close("")

    assert record
    assert again
    assert (record.ended, again.ended) == ("failed", "")
    assert again.steps == record.steps != {}


def test_a_journal_is_for_one_process_and_for_one_user(tmp_path: Path) -> None:
    file = tmp_path / "journals" / "r1.sqlite"
    journal = SqliteJournal.open_file(file)

    with pytest.raises(RunConflict, match="running in another process"):
        SqliteJournal.open_file(file)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600
    journal.close("")
    SqliteJournal.open_file(file).close("")


def test_reading_makes_no_file_and_refuses_what_is_no_journal(tmp_path: Path) -> None:
    assert read_run_record(str(tmp_path), "gone") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "odd.sqlite").write_text("no database, but longer than the head of one" * 20)

    with pytest.raises(InputError, match="cannot be used as a journal"):
        read_run_record(str(tmp_path), "odd")
    with pytest.raises(InputError, match="cannot be used as a journal"):
        SqliteJournal.open_file(tmp_path / "odd.sqlite")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used as a journal"):
        SqliteJournal.open_file(tmp_path / "file" / "r1.sqlite")
