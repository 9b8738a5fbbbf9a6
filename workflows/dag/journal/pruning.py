"""Removes local journals of runs that ended long ago, and never one that can be resumed.

This happens when a run begins. A file that is locked, cannot be read or is no journal stays.
Journals in Cloud Storage are left to the bucket's lifecycle rules.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from workflows.core.errors import RunConflict
from workflows.dag.journal import sqlite_store

if TYPE_CHECKING:
    from pathlib import Path

_DAY_S = 86_400.0
_MOST = 500  # a run does not wait for more; the next one goes on


def prune_journals(folder: Path, days: float, now: float) -> int:
    """Remove the journals of runs that ended more than `days` ago; 0 removes none. How many."""
    if not days:
        return 0
    before = now - days * _DAY_S
    old = [file for file in folder.glob("*.sqlite") if _touched(file) < before]
    return sum(map(_removed, sorted(old, key=_touched)[:_MOST]))


def _touched(file: Path) -> float:
    """When the journal was written last, in seconds since 1970; infinity if it is gone."""
    log = file.with_name(f"{file.name}-wal")  # what a killed run leaves has its last lines there
    try:
        return max(file.stat().st_mtime, log.stat().st_mtime if log.exists() else 0.0)
    except OSError:
        return float("inf")


def _removed(file: Path) -> bool:
    try:
        if not _has_ended(file):  # it may be no journal of ours, and then has no lock of ours
            return False
        lock = sqlite_store.lock_file(file.with_suffix(".lock"))
    except (RunConflict, OSError, sqlite3.Error):
        return False
    try:
        if not _has_ended(file):
            return False
        for end in ("", "-wal", "-shm"):
            file.with_name(f"{file.name}{end}").unlink(missing_ok=True)
        file.with_suffix(".lock").unlink(missing_ok=True)
    except (OSError, sqlite3.Error):
        return False
    finally:
        os.close(lock)
    return True


def _has_ended(file: Path) -> bool:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT value FROM run WHERE key = 'ended'").fetchone()
    return found is not None and bool(found[0])
