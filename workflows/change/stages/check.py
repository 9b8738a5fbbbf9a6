"""From a change to its evidence: the project's own check, on a clean checkout of the commit.

It runs code that an agent wrote, so it gets what the agent gets and less: no key, a HOME of its
own, a time limit, and nothing that it starts outlives it.
"""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from workflows.change.change import Evidence
from workflows.change.stages.attempt import numbered, show_line
from workflows.change.trees import seal, worktree
from workflows.core.sandbox.run import UntrustedProgram, run_in_sandbox, sandbox_environment

if TYPE_CHECKING:
    from workflows.change.change import Change
    from workflows.change.stages.attempt import AttemptContext
    from workflows.core.flow import Run


def check_change(context: AttemptContext, change: Change, run: Run) -> Evidence:
    """Check the commit out into a new folder, run the check there, remove the folder.

    May be run again. A check that fails is evidence, not an error.

    Raises:
        ProgramMissing: the command's program is not there.
        AgentFailed: no time is left, or the settings want a sandbox that does not work here.
        ChangeRefused: the command wrote into our own clone.
    """
    return run.step(numbered("check", change.attempts), _check, context, change.commit.id, run)


def _check(context: AttemptContext, commit_id: str, run: Run) -> Evidence:
    base = context.base
    command = base.request.options.check_command
    folder, home = base.folder / "checkout", base.folder / "check-home"
    timeout_s = context.remaining_s()
    try:
        worktree.export_files(base.repository, commit_id, folder)
        home.mkdir()
        with seal.guard_clone(base.repository):
            program = UntrustedProgram(
                args=shlex.split(command),
                env=sandbox_environment({"CI": "true"}, home),
                cwd=folder,
                home=home,
                log=base.log,
                timeout_s=timeout_s,
                hidden=[base.repository.folder],
            )
            done = run_in_sandbox(program, run.settings.sandbox, lambda line: show_line(run, line))
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
