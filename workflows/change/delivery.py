"""Clone, make the change, push it: what push_feature is, and the middle of resolve_issue.

The remote is the record. A branch that already carries the request's trailer needs no agent; a
branch that moved meanwhile is cloned again, and the work starts from what is there now.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.change.attempts import agents, rounds
from workflows.change.request import TRAILER
from workflows.change.trees import trees
from workflows.change.wording.prompt import GUIDES
from workflows.core.errors import (
    BranchRefused,
    ClaimLost,
    PermanentError,
    PushNotFastForward,
    WorkflowsError,
)
from workflows.core.observability import logger
from workflows.tasks import git

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.change.attempts.rounds import Change
    from workflows.change.options import ChangeOptions
    from workflows.change.request import Request
    from workflows.core.flow import Run
    from workflows.core.git.commit_text import CommitIdentity
    from workflows.core.git.urls import GitUrl
    from workflows.tasks.git import Repository

_log = logger("delivery")
_ROUNDS = 3
_MAX_GUIDE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class ChangeJob:
    """One change to deliver to `branch` of the repository at `url`.

    `request_id` is known before the clone; `ask` builds the request from the guides ((file name,
    text) of the default branch) and whether the branch already holds work. `before_push` is told
    what is about to be pushed. `made_at` is the commit at which we made the remote branch: while
    it still is there, a failure takes the branch away again. `pipeline` is the project's file in
    place of `.gitlab-ci.yml`.
    """

    url: GitUrl
    branch: str
    source_branch: str | None
    request_id: str
    ask: Callable[[list[tuple[str, str]], bool], Request]
    author: CommitIdentity
    options: ChangeOptions
    before_push: Callable[[Change], None]
    made_at: str | None = None
    pipeline: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """The branch as the remote has it. `made` is None where an earlier run had pushed the work."""

    branch: str
    commit_id: str
    made: Change | None


def deliver(job: ChangeJob, run: Run, scratch: Path) -> Pushed:
    """Do the job; nothing is pushed unless the policy and the checks allow it. Safe to repeat.

    Raises:
        BranchRefused: the branch is the repository's default branch.
        WorkflowsError: what `rounds.make_change` and the git steps raise.
    """
    deadline = time.monotonic() + job.options.timeout_s
    for left in reversed(range(_ROUNDS)):
        folder = scratch / f"round-{left}"
        folder.mkdir()
        try:
            return _once(job, run, folder, deadline)
        except PushNotFastForward:
            if not left:
                raise
            _log.warning("%s has moved; starting over from what is there now", job.branch)
    raise AssertionError  # the loop returns or raises


def prepare(
    job: ChangeJob, run: Run, scratch: Path, deadline: float
) -> tuple[rounds.AttemptContext, str]:
    """Clone and set up the context for the request; also the commit that already carries it.

    That is an empty string where no commit of the branch does.

    Raises:
        BranchRefused: the branch is the repository's default branch.
        WorkflowsError: as the git steps.
    """
    repository = run.step(
        "clone repository",
        git.clone_repository,
        job.url,
        scratch / "clone",
        settings=run.settings,
        source_branch=job.source_branch,
        checkout=False,
        on_progress=run.note,
    )
    if job.branch == repository.default_branch:
        raise BranchRefused(
            f"{job.branch!r} is the default branch of {job.url.name}",
            why="flows do not write to it",
            fix="choose another branch",
        )
    run.step("create branch", git.create_branch, repository, job.branch, checkout=False)
    base = repository.remote_branches.get(job.branch) or repository.start
    known = repository.remote_branches.get(job.branch)
    again = known is not None and known not in {repository.start, job.made_at}
    context = rounds.AttemptContext(
        run=run,
        repository=repository,
        base=base,
        ask=lambda: job.ask(_guides(repository), again),
        options=job.options,
        agent=agents.choose_agent(job.options, run.settings),
        author=job.author,
        scratch=scratch,
        log=_log_file(run, scratch),
        deadline=deadline,
        pipeline=job.pipeline,
    )
    return context, _carrying(repository, job) if known else ""


def _once(job: ChangeJob, run: Run, scratch: Path, deadline: float) -> Pushed:
    context, done = prepare(job, run, scratch, deadline)
    repository = context.repository
    if done:
        _log.info("%s already has this request, in %s", job.branch, done)
        return Pushed(job.branch, repository.remote_branches[job.branch], None)
    try:
        made = rounds.make_change(context)
        job.before_push(made)
        options = ["ci.skip"] if made.ci_skip else []
        run.step("push changes", git.push_changes, repository, job.branch, options=options)
    except (PushNotFastForward, ClaimLost):
        raise  # the branch is somebody else's now
    except PermanentError:
        _take_away(repository, job, run)
        raise
    return Pushed(job.branch, made.commit.id, made)


def _take_away(repository: Repository, job: ChangeJob, run: Run) -> None:
    """Remove the branch that we made and that is still as we made it; never raises an error."""
    if not job.made_at or repository.remote_branches.get(job.branch) != job.made_at:
        return
    try:
        if repository.run("rev-list", "-1", job.made_at, f"^{repository.start}").stdout:
            return  # a person was quicker than we could look: it has commits of its own
        run.step("remove branch", git.delete_branch, repository, job.branch, job.made_at)
    except WorkflowsError as error:
        _log.warning("the branch %s is left behind: %s", job.branch, error.what)


def _carrying(repository: Repository, job: ChangeJob) -> str:
    """The newest commit of the branch, and not of the start, that carries the request's id."""
    tip = repository.remote_branches[job.branch]
    within = [tip, f"^{repository.start}"] if repository.start else [tip]
    if repository.start == tip:
        return ""
    wanted = f"^{TRAILER}: {job.request_id}$"
    log = ("log", "-1", "--format=%H", f"--grep={wanted}", *within, "--")
    return repository.run(*log).stdout.strip()


def _guides(repository: Repository) -> list[tuple[str, str]]:
    """What the repository tells newcomers, from its default branch: an agent's branch may not."""
    trusted = repository.remote_branches.get(repository.default_branch or "")
    if trusted is None:
        return []
    found = (
        (name, trees.read_file(repository, trusted, name, limit_bytes=_MAX_GUIDE_BYTES))
        for name in GUIDES
    )
    return [(name, text) for name, text in found if text]


def _log_file(run: Run, scratch: Path) -> Path:
    """Where the agent's and the checks' output goes; kept only in a folder of the operator's."""
    kept = run.settings.agent_log_folder
    if kept is None:
        return scratch / "agent.log"
    Path(kept).mkdir(parents=True, exist_ok=True)
    return Path(kept) / f"{run.run_id or 'run'}.log"
