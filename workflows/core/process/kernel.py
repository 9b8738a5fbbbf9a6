"""What Linux offers to keep an untrusted program in: two switches and the table of processes.

Each function says whether the system has it; elsewhere (macOS) nothing happens and the answer is
False or empty. Sources: prctl(2), ptrace(2), proc(5).
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
    ended: bool  # it only waits to be reaped
    started: int


def hide_memory() -> bool:
    """Close our memory, environment and files to other processes of the same user, for good.

    PR_SET_DUMPABLE 0: `/proc/PID/environ`, `mem`, `fd` belong to root from now on, and ptrace is
    refused, as are core dumps and debuggers of the same user (py-spy, gdb). Root (CAP_SYS_PTRACE)
    is not held up. A child of ours is open again once it has become another program, so one that
    was given a token is as readable as ever while it runs. Idempotent.
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
    global _adopting  # noqa: PLW0603 - the switch is one for the whole process, too
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
    """Every process below this one; where `but` says so, neither it nor what is below it.

    `unrelated` are numbers not worth a look; who is found to be one is added, so that a second
    look is fast. While orphans are adopted an empty answer without unrelated is a proof: the
    topmost of a family is our child and stays in the table, at least as ended, until we reap it.
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
    """The process of this number; None: there is none, or it cannot be told (not Linux)."""
    try:
        return _entry(Path(f"/proc/{pid}/stat").read_bytes())
    except OSError:
        return None


def _table(without: set[int]) -> Iterator[ProcessEntry]:
    """All processes there are, each as it was when its line was read."""
    if not LINUX:
        return
    with suppress(FileNotFoundError):
        for name in os.listdir(_PROC):  # noqa: PTH208 - names, and often
            if name.isdigit() and int(name) not in without:
                with suppress(OSError):  # it has ended meanwhile
                    yield _entry(Path(_PROC, name, "stat").read_bytes())


def _entry(line: bytes) -> ProcessEntry:
    """A line of `/proc/PID/stat`; the name of the program may hold any byte, also `)`."""
    pid, _, _ = line.partition(b" ")
    words = line.rpartition(b")")[2].split()
    return ProcessEntry(int(pid), int(words[1]), int(words[3]), words[0] in b"ZX", int(words[19]))
