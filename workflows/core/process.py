"""Child processes: the one module that starts them.

Argument lists only, never a shell. Every child leads a process group of its own, which is killed
whole when the child ends, runs out of time, or we are told to stop; so nothing it started is left
behind. Standard input is closed unless bytes are given, the environment is always explicit, and
what is kept of the output is bounded.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from workflows.core.bounded_text import BoundedText
from workflows.core.errors import ProcessFailed, ProgramMissing, TimeoutExceeded
from workflows.core.held_signals import HeldSignals
from workflows.core.redaction import redact

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

MAX_OUTPUT_BYTES = 32 * 1024 * 1024
_TERM_GRACE_S = 1.0  # from SIGTERM to SIGKILL; SIGTERM to us must be over within 5 s
_DRAIN_S = 1.0  # how long an escaped grandchild may hold our pipes after its parent ended
_POLL_S = 0.05  # how often to look for the end of a child where there is no pidfd (macOS)
_CHUNK = 65_536

_groups: set[int] = set()


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended. `stdout` and `stderr` are text as the child wrote it, not redacted."""

    args: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    truncated: bool


def run(  # noqa: PLR0913 - one door, and every argument after `args` is keyword-only
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
    with _child(args, env=env, cwd=cwd, stdin=stdin) as child:
        in_time = _pump(child, kept, stdin, started + timeout_s, on_stderr)
        if not in_time:
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
        with _group(args, env=env, cwd=cwd, stdin=None, output=sink) as child:
            yield child
    finally:
        if not isinstance(sink, int):
            sink.close()


@asynccontextmanager
async def streaming(
    args: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child with three pipes for an event loop (servers); killed whole when the block ends.

    Nothing may read from the pipes any more by then: what is left in them is thrown away.
    """
    import asyncio  # noqa: PLC0415 - 50 ms that only servers need

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
    output: int | IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    """A child leading its own session; whatever happens in the block, its group is gone after."""
    held = HeldSignals()
    try:
        child = _start(args, env, cwd, stdin, output)
    except BaseException:
        held.release()
        raise
    try:
        held.release()
        yield child
    finally:
        _end_group(child)
        _groups.discard(child.pid)


def _start(
    args: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    output: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        child = subprocess.Popen(
            list(args),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT if output is not subprocess.PIPE else subprocess.PIPE,
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
    args: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, stdin: bytes | None
) -> Iterator[subprocess.Popen[bytes]]:
    with _group(args, env=env, cwd=cwd, stdin=stdin, output=subprocess.PIPE) as child:
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


def _pump(
    child: subprocess.Popen[bytes],
    kept: Mapping[str, BoundedText],
    stdin: bytes | None,
    deadline: float,
    on_stderr: Callable[[str], None] | None,
) -> bool:
    """Move bytes until the child has ended and its pipes are drained. False: out of time."""
    with selectors.DefaultSelector() as selector:
        assert child.stdout is not None  # noqa: S101 - opened as a pipe by _child
        assert child.stderr is not None  # noqa: S101
        selector.register(child.stdout, selectors.EVENT_READ, "stdout")
        selector.register(child.stderr, selectors.EVENT_READ, "stderr")
        pending = memoryview(stdin or b"")
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE, "stdin")
        pidfd = _watch_end(child, selector)
        try:
            ended = False
            while selector.get_map() or not ended:  # output may be closed before the end
                now = time.monotonic()
                if now >= deadline:
                    return ended
                wait = min(deadline - now, 3600 if pidfd is not None or ended else _POLL_S)
                for key, _ in selector.select(wait):
                    if key.data == "end":
                        selector.unregister(key.fd)
                    elif key.data == "stdin":
                        pending = _feed(selector, key, pending)
                    else:
                        _drain(selector, key, kept[key.data], on_stderr)
                if not ended and _has_ended(child):
                    ended = True
                    _signal_group(child.pid, signal.SIGKILL)
                    deadline = min(deadline, time.monotonic() + _DRAIN_S)
        finally:
            if pidfd is not None:
                os.close(pidfd)
    return _wait_until(child, deadline)


def _watch_end(child: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> int | None:
    """Let the selector wake up when the child ends, where the system can (Linux)."""
    if not hasattr(os, "pidfd_open"):
        return None
    pidfd = os.pidfd_open(child.pid)
    selector.register(pidfd, selectors.EVENT_READ, "end")
    return pidfd


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child has ended, without reaping it: its group id stays ours to signal."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def _wait_until(child: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        child.wait(max(deadline - time.monotonic(), 0.001))
    except subprocess.TimeoutExpired:
        return False
    return True


def _feed(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, pending: memoryview
) -> memoryview:
    """Write what fits; close the pipe when all is written or the child stopped reading."""
    try:
        written = os.write(key.fd, pending[:_CHUNK]) if pending else 0
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        written = len(pending)
    rest = pending[written:]
    if not rest:
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]
    return rest


def _drain(
    selector: selectors.BaseSelector,
    key: selectors.SelectorKey,
    kept: BoundedText,
    on_stderr: Callable[[str], None] | None,
) -> None:
    chunk = os.read(key.fd, _CHUNK)
    if not chunk:
        selector.unregister(key.fileobj)
        return
    kept.add(chunk)
    if on_stderr is not None and key.data == "stderr":
        on_stderr(chunk.decode(errors="replace"))


def name_of(args: Sequence[str]) -> str:
    """The program and its subcommand, for messages: `git push`, never the whole argv."""
    program = os.path.basename(args[0])  # noqa: PTH119 - a name, not a path
    verb = next((a for a in args[1:] if a.isalpha()), "") if program == "git" else ""
    return f"{program} {verb}".strip()


def _last_lines(text: str, count: int = 12) -> str:
    return redact("\n".join(text.strip().splitlines()[-count:]))
