"""The project's own check command, on a clean checkout of exactly one commit.

It runs code an agent wrote, so it gets what the agent gets and less: no key, a HOME of its own, a
time limit, and nothing it starts outlives it.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.change.trees import seal, worktree
from workflows.core.sandbox.run import UntrustedProgram, run_in_sandbox, sandbox_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workflows.core.config.settings import Settings
    from workflows.tasks.git import Repository


@dataclass(frozen=True, slots=True)
class Evidence:
    """How the check command ended on `commit_id`. `last_lines` is redacted."""

    command: str
    commit_id: str
    exit_code: int
    seconds: float
    timed_out: bool
    last_lines: str
    sandbox: str

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0 in time."""
        return self.exit_code == 0 and not self.timed_out


def run_check(  # noqa: PLR0913 - options are keyword-only
    repository: Repository,
    commit_id: str,
    command: str,
    *,
    settings: Settings,
    scratch: Path,
    log: Path,
    timeout_s: float,
    on_line: Callable[[str], None] | None = None,
) -> Evidence:
    """Check the commit out into a new folder below `scratch`, run the command there, remove it.

    May be run again.

    Raises:
        ProgramMissing: the command's program is not there.
        AgentFailed: the settings want a sandbox that does not work here.
        ChangeRefused: the command reached into our own clone.
    """
    folder, home = scratch / "checkout", scratch / "check-home"
    try:
        worktree.export_files(repository, commit_id, folder)
        home.mkdir()
        with seal.guard_clone(repository):
            program = UntrustedProgram(
                args=shlex.split(command),
                env=sandbox_environment({"CI": "true"}, home),
                cwd=folder,
                home=home,
                log=log,
                timeout_s=timeout_s,
                hidden=[repository.folder],
            )
            done = run_in_sandbox(program, settings.sandbox, on_line)
    finally:
        for used in (folder, home):
            shutil.rmtree(used, ignore_errors=True)
    return Evidence(
        command=command,
        commit_id=commit_id,
        exit_code=done.exit_code,
        seconds=done.duration_s,
        timed_out=done.timed_out,
        last_lines=done.last_lines,
        sandbox=done.sandbox,
    )
