"""The `workflows` command in processes that have imported it already.

A process of its own is what a test of `kill -9` needs; to import everything anew in each takes
most of a second, which such a test pays a hundred times. Here a fork server imports the command
once for each worker of pytest, and every run is a fork of it: a real process with its own pid,
session, environment, folder, output and exit code. Tests about the start of the command use
`tests.support.Cli`, which runs `python -m workflows`.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import Cli
from workflows.__main__ import main
from workflows.core import process
from workflows.core.config import environment

environment.set_default("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as the command does first

from workflows import hello_world, push_feature, resolve_issue  # noqa: E402
from workflows.cli import run  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMPORTED = (hello_world, push_feature, resolve_issue, run)  # what the fork server has ready
_fork_server = multiprocessing.get_context("forkserver")
_fork_server.set_forkserver_preload([__name__])


class ForkedRun:
    """One run of the command; `pid` leads a session and a process group of its own."""

    def __init__(self, args: tuple[str, ...], env: Mapping[str, str], cwd: Path | None) -> None:
        self._args = args
        self._output = Path(tempfile.mkdtemp(prefix="forked-"))
        self._started = time.monotonic()
        self._process = _fork_server.Process(
            target=_carry_out,
            args=(args, dict(env), cwd or Path.cwd(), self._output),
            daemon=True,  # a run that a failed test leaves does not hold up the end of pytest
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def ended(self) -> bool:
        """Whether the process is over."""
        return self._process.exitcode is not None

    def terminate(self) -> None:
        """Send SIGTERM to the process."""
        os.kill(self.pid, signal.SIGTERM)

    def finish(self, limit_s: float = 120) -> process.Completed:
        """Wait for the end, at most `limit_s` seconds, and kill what is left of its group."""
        self._process.join(limit_s)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.exitcode
        assert code is not None, f"{self._args} ran for more than {limit_s} s"
        out, err = ((self._output / name).read_text() for name in ("stdout", "stderr"))
        shutil.rmtree(self._output)
        took_s = time.monotonic() - self._started
        return process.Completed(self._args, code, out, err, took_s, truncated=False)


class ForkedCli(Cli):
    """Runs the command as `Cli` does, in a fork that has imported it."""

    def start(self, *args: str, **env: str) -> ForkedRun:
        """Start the command and do not wait for it."""
        return ForkedRun(args, self.environment(env), self.cwd)

    def __call__(self, *args: str, **env: str) -> process.Completed:
        """Run to the end (`limit_s` at most) and return how it ended, whatever the exit code."""
        return self.start(*args, **env).finish(self.limit_s)


def _carry_out(args: tuple[str, ...], env: dict[str, str], cwd: Path, output: Path) -> None:
    """What the forked process does: become what `python -m workflows` would be, and run it."""
    os.setsid()
    os.chdir(cwd)  # noqa: TID251 - this process is the test's child
    os.environ.clear()  # noqa: TID251 - likewise
    os.environ.update(env)  # noqa: TID251 - likewise
    tempfile.tempdir = None  # it is found anew, from this environment
    _replace(0, Path(os.devnull), os.O_RDONLY)
    _replace(1, output / "stdout", os.O_WRONLY | os.O_CREAT)
    _replace(2, output / "stderr", os.O_WRONLY | os.O_CREAT)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _text(1, line_buffering=False)
    sys.stderr = _text(2, line_buffering=True)
    sys.argv = ["workflows", *args]
    sys.exit(main())


def _replace(descriptor: int, path: Path, flags: int) -> None:
    """Make a standard descriptor lead to the file."""
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def _text(descriptor: int, *, line_buffering: bool) -> io.TextIOWrapper:
    """A text stream on a descriptor, as Python makes it when it starts."""
    binary = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - open for good
    return io.TextIOWrapper(
        binary, encoding="utf-8", errors="backslashreplace", line_buffering=line_buffering
    )
