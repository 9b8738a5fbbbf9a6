"""Children to run, and whether they are still there."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from workflows.core import process
from workflows.core.config import environment

ENV = environment.for_child()
SECRET = "tok-process-41c7"


def sh(script: str, *args: str, timeout_s: float = 20, check: bool = True) -> process.Completed:
    """Run a shell script, as a child like any other."""
    return process.run(["sh", "-c", script, "sh", *args], env=ENV, timeout_s=timeout_s, check=check)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return Path("/proc").is_dir() is False


def gone(*pids: int, within_s: float = 5) -> bool:
    """Whether all of them end soon: SIGKILL is sure, but not instant."""
    assert pids
    deadline = time.monotonic() + within_s
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.01)
    return True


def pids_in(text: str) -> list[int]:
    return [int(word) for word in text.split()]
