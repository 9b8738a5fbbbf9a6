"""From a request to its base: the clone, and the commit that the agent starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.change.request import TRAILER
from workflows.change.stages.agent import choose_agent
from workflows.core.errors import BranchRefused
from workflows.tasks import git

if TYPE_CHECKING:
    from workflows.change.request import ChangeRequest
    from workflows.core.flow import Run
    from workflows.tasks.agents.agent import Agent
    from workflows.tasks.git import Repository


@dataclass(frozen=True, slots=True)
class Base:
    """A clone that is ready for an agent. `commit` is None in an empty repository.

    `pushed_before` is the branch's newest commit where one of the branch's commits already
    carries the request's id; the agent must not run then. `has_earlier_work`: the branch has
    commits that its claim did not make. `folder` is for this clone alone and is removed by whoever
    made it. `deadline` is of `time.monotonic()`.
    """

    request: ChangeRequest
    repository: Repository
    commit: str | None
    pushed_before: str | None
    has_earlier_work: bool
    agent: Agent
    folder: Path
    log: Path
    deadline: float


def clone_base(request: ChangeRequest, run: Run, folder: Path, deadline: float) -> Base:
    """Clone the repository into `folder` and make the request's branch the current one.

    Writes nothing to the remote. Needs an empty folder each time.

    Raises:
        BranchRefused: the branch is the repository's default branch.
        InputError: the agent's flags are not known, or would undo what keeps it safe.
        WorkflowsError: what the git steps raise.
    """
    repository = run.step(
        "clone repository",
        git.clone_repository,
        request.url,
        folder / "clone",
        settings=run.settings,
        source_branch=request.source_branch,
        checkout=False,
        on_progress=run.note,
    )
    if request.branch == repository.default_branch:
        raise BranchRefused(
            f"{request.branch!r} is the default branch of {request.url.name}",
            why="flows do not write to it",
            fix="choose another branch",
        )
    run.step("create branch", git.create_branch, repository, request.branch, checkout=False)
    tip = repository.remote_branches.get(request.branch)
    return Base(
        request=request,
        repository=repository,
        commit=tip or repository.start,
        pushed_before=tip if tip and _carries_request(repository, tip, request.id) else None,
        has_earlier_work=tip is not None and tip not in {repository.start, request.claimed_at},
        agent=choose_agent(request.options, run.settings),
        folder=folder,
        log=_log_file(run, folder),
        deadline=deadline,
    )


def _carries_request(repository: Repository, tip: str, request_id: str) -> bool:
    """Whether a commit of the branch, and not of its start, carries the request's id."""
    if repository.start == tip:
        return False
    commits = [tip, f"^{repository.start}"] if repository.start else [tip]
    log = ("log", "-1", "--format=%H", f"--grep=^{TRAILER}: {request_id}$", *commits, "--")
    return bool(repository.run(*log).stdout.strip())


def _log_file(run: Run, folder: Path) -> Path:
    """Where the agent's and the check's output goes; kept only in a folder of the operator's."""
    kept = run.settings.agent_log_folder
    if kept is None:
        return folder / "agent.log"
    Path(kept).mkdir(parents=True, exist_ok=True)
    return Path(kept) / f"{run.run_id or 'run'}.log"
