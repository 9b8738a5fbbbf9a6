"""A run's journal in a SQLite file of its own, and the lock that keeps other processes away.

One commit holds all events since the last (group commit). With the write-ahead log and
`synchronous=NORMAL` a commit survives any end of the process, and of the machine all but the last
moments; `durable` makes every commit wait for the disk (`--journal-sync full`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from typing import TYPE_CHECKING, Self

from workflows.core.errors import InputError, PermanentError, RunConflict
from workflows.dag.journal.events import Event, RunHeader, RunRecord, event_lines, replay_events

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, batch TEXT NOT NULL);
"""


class SqliteJournal:
    """Open one with `open_file`; only its process writes until `close`."""

    synchronous = True

    def __init__(self, database: sqlite3.Connection, lock: int) -> None:
        self._database = database
        self._lock = lock
        self._kept: list[Event] = []
        self.note = self._kept.append
        """Keep one event for the next flush."""

    @classmethod
    def open_file(cls, file: Path, *, durable: bool = False) -> Self:
        """The journal in `file`, which is created where it does not exist, with its lock.

        Raises:
            RunConflict: another process runs this run.
            InputError: the file cannot be used.
        """
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = lock_file(file.with_suffix(".lock"))
        except OSError as error:
            raise _unusable(file, error) from error
        try:
            database = sqlite3.connect(file, isolation_level=None, timeout=10)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            database.executescript(_SCHEMA)
            file.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            os.close(lock)
            raise _unusable(file, error) from error
        return cls(database, lock)

    def record(self) -> RunRecord | None:
        """The record of what ran in an earlier process; None for a new run."""
        return _read_record(self._database)

    def begin(self, header: RunHeader) -> None:
        """Write down which run this is; the end of an earlier attempt is taken back."""
        self._store("header", json.dumps(header.facts()))
        self._store("ended", "")

    def flush(self) -> None:
        """Commit the events that were kept.

        Raises:
            PermanentError: the disk is full, or the file is gone.
        """
        if not self._kept:
            return
        batch = event_lines(self._kept)
        self._kept.clear()
        try:
            self._database.execute("INSERT INTO events (batch) VALUES (?)", (batch,))
        except sqlite3.Error as error:
            raise PermanentError(
                "the journal cannot be written, so the run stops here",
                why=str(error),
                fix="make room on the disk, then run again with --resume",
            ) from error

    async def stored(self) -> None:
        """At once: `flush` has stored it."""

    def close(self, ended: str) -> None:
        """Store the end and release the lock."""
        try:
            self.flush()
            self._store("ended", ended)
        finally:
            self._database.close()
            os.close(self._lock)

    def _store(self, key: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, value))


def read_sqlite_journal(file: Path) -> RunRecord | None:
    """A run's journal while or after it runs, for reading; None where there is none.

    Raises:
        InputError: the file is no journal.
    """
    if not file.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            return _read_record(database)
    except sqlite3.Error as error:
        raise _unusable(file, error) from error


def _read_record(database: sqlite3.Connection) -> RunRecord | None:
    facts = dict(database.execute("SELECT key, value FROM run"))
    if "header" not in facts:
        return None
    batches = (row[0] for row in database.execute("SELECT batch FROM events ORDER BY number"))
    return replay_events(RunHeader(**json.loads(facts["header"])), batches, facts.get("ended", ""))


def lock_file(file: Path) -> int:
    """The file's lock: the kernel takes it back when its process ends, however it ends.

    Raises:
        RunConflict: another process has it.
        OSError: it cannot be had.
    """
    while True:
        number = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(number, 64, 0).decode(errors="replace").strip()
            os.close(number)
            raise RunConflict(
                f"the run {file.stem} is running in another process",
                why=f"process {holder} holds {file}" if holder else "",
                fix="wait for it, or choose another --run-id",
            ) from None
        if _is(number, file):
            break
        os.close(number)  # it was removed between the two, with the journal of an old run
    os.ftruncate(number, 0)
    os.pwrite(number, str(os.getpid()).encode(), 0)
    return number


def _is(number: int, file: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(number), file.stat())
    except FileNotFoundError:
        return False


def _unusable(file: Path, error: Exception) -> InputError:
    return InputError(
        f"{file} cannot be used as a journal",
        why=str(error),
        fix="choose another folder with --journal DIR",
    )
