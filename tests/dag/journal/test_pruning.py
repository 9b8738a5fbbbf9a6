"""Old journals: which ones a new run removes, and which ones nothing removes."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from tests.dag.running import dag, run, step
from workflows.cli.main import run_command_line as workflows
from workflows.core.config.settings import load
from workflows.core.errors import RunConflict, SettingsInvalid
from workflows.dag.journal import sqlite_store as journal_sqlite
from workflows.dag.journal import stores as journals
from workflows.dag.journal.events import RunHeader
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400


def header(run_id: str) -> RunHeader:
    return RunHeader(run_id, "test", "f", ["a"], "http://runner", time.time())


def made(folder: Path, run_id: str, *, ended: str = "succeeded", days: float = 40) -> Path:
    """The journal of a run that was last written so many days ago."""
    opened = journals.open_journal(
        str(folder),
        header(run_id),
        resume=False,
        durable=False,
        keep_days=load().journal_days,
    )
    opened.journal.close(ended)
    file = folder / f"{run_id}.sqlite"
    then = time.time() - days * DAY_S
    os.utime(file, (then, then))
    return file


def begin(folder: Path, run_id: str = "new") -> None:
    """A new run begins, and ends."""
    server = TaskRunner(Mock(MockPlan()))
    with server.serve() as url:
        assert run(dag(step("a")), url, journal=str(folder), run_id=run_id).succeeded


@pytest.mark.parametrize("ended", ["succeeded", "failed"])
def test_a_run_that_ended_long_ago_leaves_nothing(tmp_path: Path, ended: str) -> None:
    made(tmp_path, "old", ended=ended)

    begin(tmp_path)

    assert journals.list_run_ids(str(tmp_path)) == ["new"]
    assert list(tmp_path.glob("old*")) == []


@pytest.mark.parametrize(
    ("ended", "days"), [("", 400.0), ("succeeded", 29.0)], ids=["unfinished", "recent"]
)
def test_what_is_unfinished_or_recent_stays(tmp_path: Path, ended: str, days: float) -> None:
    file = made(tmp_path, "kept", ended=ended, days=days)

    begin(tmp_path)

    assert file.exists()


def test_a_run_that_is_at_work_stays(tmp_path: Path) -> None:
    file = made(tmp_path, "busy")
    lock = journal_sqlite.lock_file(file.with_suffix(".lock"))

    begin(tmp_path)
    os.close(lock)

    assert file.exists()


def test_a_journal_whose_last_lines_are_recent_stays(tmp_path: Path) -> None:
    file = made(tmp_path, "kept")
    file.with_name("kept.sqlite-wal").touch()

    begin(tmp_path)

    assert file.exists()


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.sqlite").write_text("not a database at all")
    with sqlite3.connect(tmp_path / "other.sqlite") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    (tmp_path / "notes.txt").touch()
    names = ["mine.sqlite", "notes.txt", "other.sqlite"]
    for name in names:
        os.utime(tmp_path / name, (0, 0))

    begin(tmp_path)

    assert all((tmp_path / name).exists() for name in names)
    assert not list(tmp_path.glob("other.*k"))


def test_0_days_keep_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOWS_JOURNAL_DAYS", "0")
    file = made(tmp_path, "old", days=4_000)

    begin(tmp_path)

    assert file.exists()


def test_the_time_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOWS_JOURNAL_DAYS", "0.5")
    file = made(tmp_path, "old", days=1)

    begin(tmp_path)

    assert not file.exists()


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "1e9"])
def test_a_time_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("WORKFLOWS_JOURNAL_DAYS", text)

    with pytest.raises(SettingsInvalid, match="number of days"):
        begin(tmp_path)


def test_status_tells_of_the_runs_that_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, "old")
    made(tmp_path, "cut-off", ended="")
    begin(tmp_path)

    assert workflows(["dag", "status", "--journal", str(tmp_path)]) == 0
    assert sorted(capsys.readouterr().out.split()) == ["cut-off", "new"]
    assert workflows(["dag", "status", "cut-off", "--journal", str(tmp_path)]) == 75
    assert workflows(["dag", "status", "new", "--journal", str(tmp_path)]) == 0
    assert workflows(["dag", "status", "old", "--journal", str(tmp_path)]) == 2
    assert "WORKFLOWS_JOURNAL_DAYS" in capsys.readouterr().err


def test_the_id_of_a_removed_run_can_be_used_again(tmp_path: Path) -> None:
    made(tmp_path, "old")
    begin(tmp_path)

    begin(tmp_path, "old")

    assert sorted(journals.list_run_ids(str(tmp_path))) == ["new", "old"]


def test_a_lock_that_was_removed_meanwhile_is_no_lock(tmp_path: Path) -> None:
    """Whoever opened one just before its run was removed must not share the run with the next."""
    file = tmp_path / "r.lock"
    early = journal_sqlite.lock_file(file)
    assert journal_sqlite._is(early, file)
    file.unlink()
    late = journal_sqlite.lock_file(file)

    assert not journal_sqlite._is(early, file)
    with pytest.raises(RunConflict):
        journal_sqlite.lock_file(file)
    os.close(early)
    os.close(late)
