"""Starts child processes; no other module does.

Arguments are lists, never a shell command. Every child leads a process group of its own. The
whole group is killed when the child ends, when its time is over and when this process is stopped,
so that none of its processes is left. Standard input is closed unless bytes are given, the
environment is always explicit, and the output that is kept is bounded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from workflows.core.errors import ProcessFailed, ProgramMissing, TimeoutExceeded
from workflows.core.process.bounded_text import BoundedText
from workflows.core.process.deferred_signals import deferred_signals
from workflows.core.process.groups import ChildGroups
from workflows.core.process.read_output import read_output
from workflows.core.redaction import redact

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

MAX_OUTPUT_BYTES = 32 * 1024 * 1024
_TERM_GRACE_S = 1.0  # from SIGTERM to SIGKILL; SIGTERM to us must be over within 5 s
_CHUNK = 65_536

child_groups = ChildGroups()
_groups = child_groups.alive


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended. `stdout` and `stderr` are text as the child wrote it, not redacted."""

    args: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    truncated: bool


def run(  # noqa: PLR0913 - keyword-only options, as subprocess.run has them
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout_s: float,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
    on_stderr: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program to its end and return how it ended.

    `env` is the child's whole environment. Of each output stream at most `max_output_bytes` are
    kept, from both ends. `on_stderr` is called with each piece as it arrives (for progress).

    Raises:
        ProgramMissing: there is no such executable.
        ProcessFailed: the exit code is not 0 and `check` is true.
        TimeoutExceeded: it ran longer than `timeout_s` seconds; its whole group was killed.
    """
    started = time.monotonic()
    kept = {"stdout": BoundedText(max_output_bytes), "stderr": BoundedText(max_output_bytes)}
    sinks = {"stdout": kept["stdout"].add, "stderr": _both(kept["stderr"].add, on_stderr)}
    with _child(args, env=env, cwd=cwd, stdin=stdin) as child:
        kill = partial(_signal_group, child.pid, signal.SIGKILL)
        if not read_output(child, sinks, stdin, started + timeout_s, kill):
            raise TimeoutExceeded(
                f"{name_of(args)} did not end within {timeout_s:g} s",
                why=_last_lines(kept["stderr"].text()) or "it said nothing",
                fix="raise the time limit, or see why it hangs",
            )
        exit_code = child.wait()
    done = Completed(
        args=tuple(args),
        exit_code=exit_code,
        stdout=kept["stdout"].text(),
        stderr=kept["stderr"].text(),
        duration_s=time.monotonic() - started,
        truncated=any(stream.dropped for stream in kept.values()),
    )
    if check and exit_code:
        raise ProcessFailed(
            f"{name_of(args)} ended with exit code {exit_code}",
            why=_last_lines(done.stderr or done.stdout),
        )
    return done


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a followed child ended; `exit_code` is negative for a signal."""

    exit_code: int
    timed_out: bool
    duration_s: float


class ProcessGroup:
    """The process group of a child, safe to signal from any thread, also after the child's end."""

    def __init__(self, group: int) -> None:
        self.pid = group
        self._over = False
        self._lock = threading.Lock()

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        with self._lock:
            if not self._over:
                _signal_group(self.pid, number)

    def forget(self) -> None:
        """The child has ended: send no more signals, as its number may be given to another."""
        with self._lock:
            self._over = True


def follow(  # noqa: PLR0913 - keyword-only options, as subprocess.run has them
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout_s: float,
    cwd: Path,
    stdin: bytes | None,
    on_output: Callable[[bytes], object],
    on_end: Callable[[int], object],
    on_start: Callable[[ProcessGroup], object] | None = None,
) -> ProcessEnd:
    """Run a program to its end or for `timeout_s` seconds; stdout and stderr go to `on_output`.

    `on_start` gets the program's process group, which other threads may signal.

    `on_end` gets the pid of a program that has ended by itself, before it is reaped and before
    the rest of its output is read; it may end processes that still hold the pipe. Use
    `core.sandbox.run` for a program that is not trusted.

    Raises:
        ProgramMissing: there is no such executable.
    """
    started = time.monotonic()
    with _child(args, env=env, cwd=cwd, stdin=stdin, merged=True) as child:

        def end() -> None:
            _signal_group(child.pid, signal.SIGKILL)
            on_end(child.pid)

        running = ProcessGroup(child.pid)
        try:
            if on_start is not None:
                on_start(running)
            in_time = read_output(child, {"stdout": on_output}, stdin, started + timeout_s, end)
        finally:
            running.forget()
    return ProcessEnd(child.returncode, not in_time, time.monotonic() - started)


@contextmanager
def background(
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    log: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server beside us for as long as the block lasts; its output goes to the file `log`.

    On leaving the block its process group gets SIGTERM, then SIGKILL.

    Raises:
        ProgramMissing: there is no such executable.
    """
    sink: int | IO[bytes] = log.open("ab") if log else subprocess.DEVNULL
    try:
        with _group(args, env=env, cwd=cwd, stdin=None, output=(sink, subprocess.STDOUT)) as child:
            yield child
    finally:
        if not isinstance(sink, int):
            sink.close()


@asynccontextmanager
async def streaming(
    args: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child with three pipes for an event loop (servers); killed whole when the block ends.

    Nothing may read from the pipes after the block: what is left in them is thrown away.
    """
    import asyncio  # noqa: PLC0415 - 50 ms that only servers need

    with child_groups.starting():
        child = await asyncio.create_subprocess_exec(
            *args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        _groups.add(child.pid)
    try:
        yield child
    finally:
        _signal_group(child.pid, signal.SIGKILL)
        reaping = asyncio.ensure_future(_reap(child))
        cancelled = False
        while not reaping.done():
            try:
                await asyncio.shield(reaping)
            except asyncio.CancelledError:  # a server that stops; a killed child takes no time
                cancelled = True
        _groups.discard(child.pid)
        if cancelled:
            raise asyncio.CancelledError


async def _reap(child: asyncio.subprocess.Process) -> None:
    # asyncio says a child has ended only once its pipes have, and a full pipe never does
    for pipe in (child.stdout, child.stderr):
        while pipe is not None and await pipe.read(_CHUNK):
            pass
    await child.wait()


def replace_self(args: Sequence[str], *, env: Mapping[str, str]) -> None:
    """Become another program (exec); open files are flushed first."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(args[0], list(args), dict(env))  # noqa: S606 - a list, no shell


def kill_all() -> None:
    """SIGKILL every child group still alive. For the forced end of this process only."""
    for group in list(_groups):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


@contextmanager
def _group(
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    output: tuple[int | IO[bytes], int],
) -> Iterator[subprocess.Popen[bytes]]:
    """A child leading its own session; whatever happens in the block, its group is gone after."""
    started: subprocess.Popen[bytes] | None = None
    try:
        with deferred_signals(), child_groups.starting():
            started = _start(args, env, cwd, stdin, output)
        yield started
    finally:
        if started is not None:
            _end_group(started)
            _groups.discard(started.pid)


def _start(
    args: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    output: tuple[int | IO[bytes], int],
) -> subprocess.Popen[bytes]:
    try:
        child = subprocess.Popen(
            list(args),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output[0],
            stderr=output[1],
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise
        raise ProgramMissing(
            f"{args[0]} is not installed",
            why=f"no such executable on PATH: {error.filename}",
            fix=f"install {args[0]} and make sure it is on PATH",
        ) from error
    except PermissionError as error:
        raise ProgramMissing(
            f"{args[0]} cannot be run", why=str(error), fix="make the file executable"
        ) from error
    _groups.add(child.pid)
    return child


@contextmanager
def _child(
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    merged: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    output = (subprocess.PIPE, subprocess.STDOUT if merged else subprocess.PIPE)
    with _group(args, env=env, cwd=cwd, stdin=stdin, output=output) as child:
        try:
            yield child
        finally:
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and everything in its group: politely if the child still runs."""
    try:
        if child.poll() is None:
            _signal_group(child.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_TERM_GRACE_S)
    finally:
        # also where the child has been reaped: the number is not reused while its group lives
        _signal_group(child.pid, signal.SIGKILL)
        child.wait()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _both(
    keep: Callable[[bytes], None], tell: Callable[[str], None] | None
) -> Callable[[bytes], None]:
    def take(chunk: bytes) -> None:
        keep(chunk)
        if tell is not None:
            tell(chunk.decode(errors="replace"))

    return take


def name_of(args: Sequence[str]) -> str:
    """The program and its subcommand, for messages: `git push`, never the whole argv."""
    program = os.path.basename(args[0])  # noqa: PTH119 - a name, not a path
    verb = next((a for a in args[1:] if a.isalpha()), "") if program == "git" else ""
    return f"{program} {verb}".strip()


def _last_lines(text: str, count: int = 12) -> str:
    return redact("\n".join(text.strip().splitlines()[-count:]))
