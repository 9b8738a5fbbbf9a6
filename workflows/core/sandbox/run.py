"""Runs programs that are not trusted: a coding agent, a project's own test command.

They do not outlive the call and do not reach our secrets. It does not judge what they did.

- Nothing survives. Linux: the process group, and whatever left it (setsid, double fork, daemons);
  see `core.sandbox.escaped`. Elsewhere: the process group only. If we get SIGKILL ourselves, only
  bubblewrap's programs die with us.
- Environment and memory of this process are closed to other processes of the same user from the
  first run on (`kernel.hide_memory`); root is held up by bubblewrap alone. Not closed without
  bubblewrap: children of other threads that hold a secret, such as git during a push, and whoever
  started us with the same environment (a shell, make). So do not push while an agent runs.
- With bubblewrap it sees no process of ours, none of the usual secret places and nothing in
  `hidden`, and writes only where it may. Without it, the user's rights are its limits: files are
  not hidden.
- No core files. No other limit: RLIMIT_NPROC counts the whole user, RLIMIT_FSIZE bounds no disk.
"""

from __future__ import annotations

import functools
import resource
import sys
from dataclasses import dataclass
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


def run_in_sandbox(  # noqa: PLR0913 - one door, and every argument after `args` is keyword-only
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    home: Path,
    log: Path,
    timeout_s: float,
    sandbox: Sandbox,
    stdin: bytes | None = None,
    writable: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
    on_line: Callable[[str], None] | None = None,
) -> SandboxResult:
    """Run a program to its end, or for `timeout_s` seconds, and leave nothing of it running.

    Its environment is `env` with HOME, XDG_* and TMPDIR in the folder `home`, and PATH if it has
    none (bubblewrap and shells add PWD). Output is appended to the file `log`, redacted too
    because logs are kept, at most 64 MiB in one run; `on_line` gets each whole line, in this
    thread. It may write in `cwd`, `home` and `writable`; `hidden` is out of its sight, but for
    those three inside it. `writable` and `hidden` hold with bubblewrap only.

    Not idempotent, as the program is not. Several threads may run programs at once.

    Raises:
        ProgramMissing: there is no such executable.
        AgentFailed: no working bubblewrap where `sandbox` insists, or processes that cannot be
            ended (another user's, or multiplying too fast).
        OSError: `log` cannot be written, or `cwd` is not there.
    """
    cwd, home = cwd.resolve(strict=True), home.resolve(strict=True)
    complete = {"PATH": environment.for_child()["PATH"], **env, **own_folders(home)}
    program = bubblewrap.find_program(args[0], env=complete, cwd=cwd)
    if program is None:
        raise ProgramMissing(
            f"{args[0]} is not installed",
            why="no such executable on PATH",
            fix=f"install {args[0]} and make sure it is on PATH",
        )
    bwrap = _bubblewrap(sandbox)
    if bwrap is not None:
        seen = bubblewrap.options(
            program=program,
            env=complete,
            cwd=cwd,
            writable=(cwd, home, *writable),
            hidden=hidden,
        )
        command = [bwrap, *seen, "--", *args]
    else:
        command = _under_subreaper(args, complete)
    _close_ourselves()
    with (
        transcript(log, on_line) as said,
        no_escaped_descendants() as escaped,
        signals.before_forced_exit(escaped.end),
    ):
        ended = process.follow(
            command,
            env=complete,
            cwd=cwd,
            timeout_s=timeout_s,
            stdin=stdin,
            on_output=said.add,
            on_end=escaped.end,
        )
        said.finish()
        left = escaped.end()
    if left:
        raise AgentFailed(
            f"{left} processes that {process.name_of(args)} started cannot be ended",
            why="they run as another user, or multiply faster than they can be killed",
            fix="end them by hand, and install bubblewrap",
        )
    return SandboxResult(
        exit_code=ended.exit_code if ended.exit_code >= 0 else 128 - ended.exit_code,
        timed_out=ended.timed_out,
        duration_s=ended.duration_s,
        last_lines=said.last_lines(),
        sandbox=PROCESS_GROUP if bwrap is None else BUBBLEWRAP,
    )


def own_folders(home: Path) -> dict[str, str]:
    """HOME, XDG_* and TMPDIR inside `home`; the folders are made, for our user only."""
    found = {"HOME": str(home)}
    for name, folder in _FOLDERS.items():
        (home / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        found[name] = str(home / folder)
    return found


def sandbox_environment(
    extra: Mapping[str, str], home: Path, *, proxy_passwords: bool = False
) -> dict[str, str]:
    """An environment for an untrusted program: what any child of ours gets, less what opens doors.

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
    # a core file would land in the clone; children inherit it, and ours leaves none either
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _under_subreaper(args: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """The command under a subreaper of its own, where there can be one (Linux)."""
    if not kernel.LINUX:
        return list(args)
    ctype = "keep-ctype" if "LC_CTYPE" in env else "drop-ctype"
    return [sys.executable, "-I", "-S", str(subreaper.__file__), ctype, *args]


def _bubblewrap(sandbox: Sandbox) -> str | None:
    """The program to use, or None for none.

    Raises:
        AgentFailed: there is none that works, and `sandbox` wants it.
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
