"""Functions of the Linux kernel: two settings of this process, and the table of processes.

On other systems (macOS) nothing happens, and the result is False, None or empty.
Sources: prctl(2), ptrace(2), proc(5).
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINUX = sys.platform == "linux"
_PROC = "/proc"
_SET_DUMPABLE = 4
_SET_CHILD_SUBREAPER = 36

_adopting = 0
_adopting_lock = threading.Lock()


class ProcessEntry(NamedTuple):
    """One process of the table. `started` is in clock ticks since boot: with `pid`, an identity."""

    pid: int
    parent: int
    session: int
    ended: bool  # a zombie: it waits to be reaped
    started: int


def hide_memory() -> bool:
    """Close our memory, environment and files to other processes of the same user, for good.

    PR_SET_DUMPABLE 0: `/proc/PID/environ`, `mem`, `fd` belong to root from now on, and ptrace is
    refused, as are core dumps and debuggers of the same user (py-spy, gdb). Root (CAP_SYS_PTRACE)
    can still read them. A child of ours is readable again after exec, so a child that was given a
    token stays readable while it runs. Idempotent.
    """
    return _prctl(_SET_DUMPABLE, 0)


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """In the block a descendant whose parent ends becomes our child, not init's.

    PR_SET_CHILD_SUBREAPER, for the whole process; blocks of several threads may overlap.
    """
    _adopt(+1)
    try:
        yield
    finally:
        _adopt(-1)


def _adopt(change: int) -> None:
    global _adopting  # noqa: PLW0603 - the setting is one for the whole process, too
    with _adopting_lock:
        _adopting += change
        _prctl(_SET_CHILD_SUBREAPER, int(_adopting > 0))


def _prctl(option: int, value: int) -> bool:
    if not LINUX:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, value, 0, 0, 0)) == 0


def descendants(
    exclude: Callable[[ProcessEntry], bool] = lambda _: False, unrelated: set[int] | None = None
) -> list[ProcessEntry]:
    """All descendants of this process, without those of `exclude` and their descendants.

    `unrelated` are the pids of processes that need not be read; those found to be no descendants
    are added, so that the next call is fast. While orphans are adopted, an empty result with an
    empty `unrelated` proves that there is no descendant: the topmost one is always our child and
    stays in the table, at least as ended, until we reap it.
    """
    unrelated = set() if unrelated is None else unrelated
    entries = list(_table(unrelated))
    children: dict[int, list[ProcessEntry]] = {}
    for entry in entries:
        children.setdefault(entry.parent, []).append(entry)
    found: list[ProcessEntry] = []
    below = children.get(os.getpid(), [])
    while below:
        kept = [entry for entry in below if not exclude(entry)]
        found += kept
        below = [child for entry in kept for child in children.pop(entry.pid, [])]
    unrelated.update(entry.pid for entry in entries)
    unrelated.difference_update(entry.pid for entry in found)
    return found


def process_entry(pid: int) -> ProcessEntry | None:
    """The process with this pid; None if there is none, or on a system without `/proc`."""
    try:
        return _entry(Path(f"/proc/{pid}/stat").read_bytes())
    except OSError:
        return None


def _table(without: set[int]) -> Iterator[ProcessEntry]:
    """All processes but those in `without`, each as it was when its line was read."""
    if not LINUX:
        return
    with suppress(FileNotFoundError):
        for name in os.listdir(_PROC):  # noqa: PTH208 - only names are needed, and this is called often
            if name.isdigit() and int(name) not in without:
                with suppress(OSError):  # it has ended meanwhile
                    yield _entry(Path(_PROC, name, "stat").read_bytes())


def _entry(line: bytes) -> ProcessEntry:
    """A line of `/proc/PID/stat`; the name of the program may hold any byte, also `)`."""
    pid, _, _ = line.partition(b" ")
    words = line.rpartition(b")")[2].split()
    return ProcessEntry(int(pid), int(words[1]), int(words[3]), words[0] in b"ZX", int(words[19]))
