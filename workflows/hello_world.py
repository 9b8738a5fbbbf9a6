"""hello_world: clone, branch, one file, commit, push. The smallest flow, and the template.

Running it twice is safe: the second run finds the branch and adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from workflows.core.errors import BranchRefused, NothingToCommit
from workflows.core.flow import Flow, Run
from workflows.core.git.commit_text import CommitIdentity
from workflows.core.git.urls import GitUrl
from workflows.core.parameters import Email, FlowParameters, NewBranchName, PersonName
from workflows.core.prefect import orchestration
from workflows.tasks import git, utility

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "HELLO.md"
FILE_TEXT = "# Hello, world\n\nThis branch was pushed by the `hello_world` workflow.\n"


class Parameters(FlowParameters):
    """What hello_world is started with."""

    git_url: GitUrl = Field(description="Repository to push to: https, http or ssh URL.")
    branch: NewBranchName = Field("hello-world", description="Branch to make, or to go on with.")
    git_user: PersonName = Field("Workflows", description="Name of the commit's author.")
    git_email: Email = Field("workflows@localhost", description="E-mail of the commit's author.")


@dataclass(frozen=True, slots=True)
class Result:
    """The branch as the remote has it. `changed` is false when an earlier run did the work."""

    branch: str
    commit_id: str
    web_url: str | None
    changed: bool


def body(parameters: Parameters, run: Run) -> Result:
    """Say hello on a branch of the repository.

    If somebody (another run of ours, most likely) pushes the branch meanwhile, it starts over
    from what they pushed.

    Raises:
        BranchRefused: the branch is the repository's default branch.
        WorkflowsError: whatever the git steps raise.
    """
    with utility.scratch_folder() as scratch:
        return git.start_over_when_moved(
            lambda folder: _push_greeting(parameters, run, folder / "clone"), scratch
        )


def _push_greeting(parameters: Parameters, run: Run, folder: Path) -> Result:
    url, branch = parameters.git_url, parameters.branch
    repository = run.step(
        "clone repository",
        git.clone_repository,
        url,
        folder,
        settings=run.settings,
        checkout=False,
        only=[FILE_NAME],
        on_progress=run.note,
    )
    if branch == repository.default_branch:
        raise BranchRefused(
            f"{branch!r} is the default branch of {url.name}",
            why="flows do not write to it",
            fix="choose another --branch",
        )
    is_there = branch in repository.remote_branches
    use_branch = git.change_branch if is_there else git.create_branch
    run.step("create branch", use_branch, repository, branch)
    run.step("write file", utility.write_file, folder, FILE_NAME, FILE_TEXT)
    author = CommitIdentity(parameters.git_user, parameters.git_email)
    changed = run.step("commit changes", _commit, repository, author)
    commit_id = run.step("push changes", git.push_changes, repository, branch)
    return Result(branch, commit_id, url.branch_url(branch), changed)


def _commit(repository: git.Repository, author: CommitIdentity) -> bool:
    """Commit the file; False when the branch already holds it."""
    try:
        git.commit_changes(repository, author=author, paths=[FILE_NAME])
    except NothingToCommit:
        return False
    return True


FLOW = Flow(
    name="hello_world",
    module=__name__,
    summary="Push a branch with a greeting to a git repository.",
    parameters=Parameters,
    body=body,
    title=lambda parameters: parameters.git_url.name,
    on_end=utility.notify,
)

__getattr__ = orchestration.module_attribute(FLOW)
