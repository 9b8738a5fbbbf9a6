"""From a base to an attempt: the agent edits a copy of the files, which is read back as a tree.

What the agent says is not believed: only the tree that it left counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.change.policy import policy
from workflows.change.trees import seal, trees, worktree
from workflows.change.wording.prompt import GUIDES, task_prompt
from workflows.core.errors import AgentFailed
from workflows.tasks.agents.agent import Assignment

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.change.stages.base import Base
    from workflows.core.flow import Run
    from workflows.tasks.agents.agent import AgentReport
    from workflows.tasks.git import Repository

_MAX_CI_BYTES = 1_000_000
_MAX_GUIDE_BYTES = 1_000_000
_PIPELINE = ".gitlab-ci.yml"


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What all attempts at one request share: the agent's folder, the limits, the first prompt."""

    base: Base
    folder: Path
    home: Path
    limits: policy.PolicyLimits
    prompt: str

    def remaining_s(self) -> float:
        """Seconds left for all that is still to be done.

        Raises:
            AgentFailed: none.
        """
        left = self.base.deadline - time.monotonic()
        if left <= 0:
            raise AgentFailed(
                f"no time is left after {self.base.request.options.timeout_s:g} s",
                fix="raise --timeout-s, or ask for less at once",
            )
        return left


@dataclass(frozen=True, slots=True)
class Attempt:
    """The agent's `number`-th run and the tree it left; `reports` are of all runs until now."""

    number: int
    reports: tuple[AgentReport, ...]
    tree: str


def prepare_attempts(base: Base, run: Run) -> AttemptContext:
    """Export the base's files for the agent, and read the limits and the guides."""
    folder, home = base.folder / "work", base.folder / "agent-home"
    home.mkdir()
    run.step("export files", worktree.export_files, base.repository, base.commit, folder)
    limits = run.step("read limits", _limits, base, run)
    return AttemptContext(base, folder, home, limits, read_prompt(base, run))


def read_prompt(base: Base, run: Run) -> str:
    """What the agent is asked, with the repository's guides."""
    guides = run.step("read guides", _guides, base.repository)
    return task_prompt(base.request.task, guides, has_earlier_work=base.has_earlier_work)


def run_attempt(
    context: AttemptContext, prompt: str, before: tuple[AgentReport, ...], run: Run
) -> Attempt:
    """Let the agent edit once more, on top of what its earlier runs left in the folder.

    Raises:
        AgentFailed: it ran out of time.
        ProgramMissing: the agent is not installed.
        ChangeRefused: it wrote into our clone, or left what git cannot read.
    """
    base, number = context.base, len(before) + 1
    assignment = Assignment(
        context.folder,
        prompt,
        context.home,
        base.log,
        context.remaining_s(),
        hidden=(base.repository.folder,),
    )
    report = run.step(numbered("agent edits", number), _edit, base, assignment, run)
    tree = run.step(
        numbered("read changes", number),
        worktree.snapshot_folder,
        base.repository,
        base.commit,
        context.folder,
    )
    return Attempt(number, (*before, report), tree)


def numbered(step: str, number: int) -> str:
    """The step's name for people: `check`, and `check (attempt 2)` from the second on."""
    return f"{step} (attempt {number})" if number > 1 else step


def show_line(run: Run, line: str) -> None:
    """Show a line of a program's output as live progress."""
    run.note(line[:100])


def _edit(base: Base, assignment: Assignment, run: Run) -> AgentReport:
    """Run the agent once; our own clone must not change meanwhile."""
    with seal.guard_clone(base.repository):
        report = base.agent.edit(assignment, lambda line: show_line(run, line))
    if report.timed_out:
        raise AgentFailed(
            f"{base.agent.name} did not end within {assignment.timeout_s:.0f} s",
            why=report.last_lines,
            fix="raise --timeout-s, or ask for less at once",
        )
    return report


def _limits(base: Base, run: Run) -> policy.PolicyLimits:
    """The operator's limits, and the files that the base's own pipeline includes."""

    def read(path: str) -> str | None:
        if base.commit is None:
            return None
        return trees.read_file(base.repository, base.commit, path, limit_bytes=_MAX_CI_BYTES)

    included: frozenset[str] = frozenset()
    own = [base.request.pipeline_file] if base.request.pipeline_file else []
    roots = [*own, *([_PIPELINE] if read(_PIPELINE) is not None else [])]
    if roots:
        from workflows.change.policy.ci_files import included_ci_files  # noqa: PLC0415 - YAML: 20 ms

        included = frozenset().union(*(included_ci_files(read, root) for root in roots))
    return policy.PolicyLimits(
        max_files=run.settings.max_changed_files,
        max_file_bytes=run.settings.max_file_bytes,
        allowed=run.settings.protected_paths_allowed,
        included_ci=included,
    )


def _guides(repository: Repository) -> list[tuple[str, str]]:
    """The guides of the default branch: those of another branch may be an agent's own work."""
    trusted = repository.remote_branches.get(repository.default_branch or "")
    if trusted is None:
        return []
    found = (
        (name, trees.read_file(repository, trusted, name, limit_bytes=_MAX_GUIDE_BYTES))
        for name in GUIDES
    )
    return [(name, text) for name, text in found if text]
