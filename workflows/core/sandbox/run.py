"""Runs a program that is not trusted: a coding agent, a project's own test command.

The program does not outlive the call and does not reach our secrets. What it did is judged
elsewhere.

- Nothing survives. On Linux the process group is killed, and every escaped descendant (setsid,
  double fork, daemon; see `core.sandbox.escaped`). Elsewhere the process group only. If we get
  SIGKILL ourselves, only programs under bubblewrap die with us.
- From the first run on, environment and memory of this process are closed to other processes of
  the same user (`kernel.hide_memory`); only bubblewrap closes them to root. Without bubblewrap
  two things stay open: children of other threads that hold a secret, such as git during a push,
  and the process that started us with the same environment (a shell, make). So do not push while
  an agent runs.
- With bubblewrap the program sees no process of ours, none of the usual places of secrets and
  nothing in `hidden`, and writes only where it may. Without it, the program may do what the user
  may do: no file is hidden.
- No core files. No other limit: RLIMIT_NPROC counts the whole user, RLIMIT_FSIZE bounds no disk.
"""

from __future__ import annotations

import functools
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.choices import Sandbox
from workflows.core.errors import AgentFailed, ProgramMissing, WorkflowsError
from workflows.core.observability import logger
from workflows.core.process import kernel, signals
from workflows.core.sandbox import bubblewrap, subreaper
from workflows.core.sandbox.escaped import no_escaped_descendants
from workflows.core.sandbox.untrusted_output import transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BUBBLEWRAP = "bubblewrap"
PROCESS_GROUP = "process group"
_PROBE_S = 10
_log = logger("sandbox")
_FOLDERS = {
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_RUNTIME_DIR": ".run",
    "TMPDIR": ".tmp",
}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrustedProgram:
    """What is run, and where.

    `env` is the whole environment, but for HOME, XDG_* and TMPDIR, which are folders in `home`,
    and PATH, which is added if it is missing (bubblewrap and shells add PWD). `log` is the file
    that output is appended to. After `timeout_s` seconds the program is ended. It may write in
    `cwd`, `home` and `writable`, and does not see `hidden`, except those folders inside it.
    `writable` and `hidden` hold with bubblewrap only.
    """

    args: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    home: Path
    log: Path
    timeout_s: float
    stdin: bytes | None = None
    writable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How an untrusted program ended.

    `exit_code` is 128 + number for a signal. `last_lines` is the end of stdout and stderr
    together: redacted, without control characters, at most 40 lines and 8 KiB. `sandbox` is
    "bubblewrap" or "process group".
    """

    exit_code: int
    timed_out: bool
    duration_s: float
    last_lines: str
    sandbox: str


def run_in_sandbox(
    program: UntrustedProgram, sandbox: Sandbox, on_line: Callable[[str], None] | None = None
) -> SandboxResult:
    """Run a program to its end, and leave nothing of it running.

    Output is redacted in the log too, which takes at most 64 MiB of one run; `on_line` gets each
    whole line, in this thread. Not idempotent, as the program is not. Several threads may run
    programs at the same time.

    Raises:
        ProgramMissing: there is no such executable.
        AgentFailed: `sandbox` demands bubblewrap and it does not work, or processes cannot be
            ended (another user's, or multiplying too fast).
        OSError: `log` cannot be written, or `cwd` does not exist.
    """
    home = program.home.resolve(strict=True)
    program = replace(
        program,
        cwd=program.cwd.resolve(strict=True),
        home=home,
        env={"PATH": environment.for_child()["PATH"], **program.env, **own_folders(home)},
    )
    executable = _executable(program)
    bwrap = _bubblewrap(sandbox)
    if bwrap is None:
        command = _under_subreaper(program.args, program.env)
    else:
        command = _under_bubblewrap(bwrap, executable, program)
    _close_ourselves()
    ended, last_lines = _run_and_end_descendants(command, program, on_line)
    return SandboxResult(
        exit_code=ended.exit_code if ended.exit_code >= 0 else 128 - ended.exit_code,
        timed_out=ended.timed_out,
        duration_s=ended.duration_s,
        last_lines=last_lines,
        sandbox=PROCESS_GROUP if bwrap is None else BUBBLEWRAP,
    )


def _executable(program: UntrustedProgram) -> Path:
    name = program.args[0]
    found = bubblewrap.find_program(name, env=program.env, cwd=program.cwd)
    if found is None:
        raise ProgramMissing(
            f"{name} is not installed",
            why="no such executable on PATH",
            fix=f"install {name} and make sure it is on PATH",
        )
    return found


def _under_bubblewrap(bwrap: str, executable: Path, program: UntrustedProgram) -> list[str]:
    options = bubblewrap.options(
        program=executable,
        env=program.env,
        cwd=program.cwd,
        writable=(program.cwd, program.home, *program.writable),
        hidden=program.hidden,
    )
    return [bwrap, *options, "--", *program.args]


def _run_and_end_descendants(
    command: Sequence[str], program: UntrustedProgram, on_line: Callable[[str], None] | None
) -> tuple[process.ProcessEnd, str]:
    """How the command ended, and the last lines of its output."""
    with (
        transcript(program.log, on_line) as output,
        no_escaped_descendants() as escaped,
        signals.before_forced_exit(escaped.end),
    ):
        ended = process.follow(
            command,
            env=program.env,
            cwd=program.cwd,
            timeout_s=program.timeout_s,
            stdin=program.stdin,
            on_output=output.add,
            on_end=escaped.end,
        )
        output.finish()
        left = escaped.end()
    if left:
        raise AgentFailed(
            f"{left} processes that {process.name_of(program.args)} started cannot be ended",
            why="they run as another user, or multiply faster than they can be killed",
            fix="end them by hand, and install bubblewrap",
        )
    return ended, output.last_lines()


def own_folders(home: Path) -> dict[str, str]:
    """HOME, XDG_* and TMPDIR inside `home`; makes the folders, which only our user may enter."""
    found = {"HOME": str(home)}
    for name, folder in _FOLDERS.items():
        (home / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        found[name] = str(home / folder)
    return found


def sandbox_environment(
    extra: Mapping[str, str], home: Path, *, proxy_passwords: bool = False
) -> dict[str, str]:
    """An environment for an untrusted program: that of any child of ours, without credentials.

    PATH, language, time zone, certificates and proxies, then `extra`, then `own_folders`. No
    ssh-agent, no git configuration of the user, no git prompt. A proxy whose URL holds a user or
    password is passed with `proxy_passwords` only: an agent needs it to reach its model, a check
    does not.
    """
    found = environment.for_child()
    found.pop("SSH_AUTH_SOCK", None)
    if not proxy_passwords:
        for name in [n for n in found if n.lower() in _PROXIES and "@" in found[n]]:
            del found[name]
    fixed = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    return {**found, **fixed, **extra, **own_folders(home)}


def _close_ourselves() -> None:
    kernel.hide_memory()
    # a core file would be written into the clone; children inherit the limit
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _under_subreaper(args: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """The command under a subreaper of its own, where there can be one (Linux)."""
    if not kernel.LINUX:
        return list(args)
    ctype = "keep-ctype" if "LC_CTYPE" in env else "drop-ctype"
    return [sys.executable, "-I", "-S", str(subreaper.__file__), ctype, *args]


def _bubblewrap(sandbox: Sandbox) -> str | None:
    """The path of bubblewrap, or None to run without it.

    Raises:
        AgentFailed: it does not work here, and `sandbox` demands it.
    """
    if sandbox is Sandbox.OFF:
        return None
    bwrap, why = _working_bubblewrap(environment.for_child()["PATH"])
    if bwrap is None and sandbox is Sandbox.BUBBLEWRAP:
        raise AgentFailed(
            "bubblewrap does not work here, and WORKFLOWS_SANDBOX asks for it",
            why=why,
            fix="install bubblewrap and allow user namespaces, or set WORKFLOWS_SANDBOX=auto",
        )
    return bwrap


@functools.cache
def _working_bubblewrap(path: str) -> tuple[str | None, str]:
    """The first `bwrap` on `path` if it can run `true` with our options; else why not."""
    env = {"PATH": path}
    root = Path("/")
    bwrap = bubblewrap.find_program("bwrap", env=env, cwd=root)
    if bwrap is None:
        return None, "there is no bwrap on PATH"
    probe = [str(bwrap), *bubblewrap.options(env=env, cwd=root), "--", "true"]
    try:
        process.run(probe, env=env, timeout_s=_PROBE_S)
    except WorkflowsError as error:
        _log.info("bubblewrap is not used: %s", error.why)
        return None, error.why or error.what
    return str(bwrap), ""
