"""gitlab_pull_request: open or update the one merge request of a branch.

Running it twice is safe: the second run finds the merge request and changes what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from workflows.core.errors import BranchNotFound, BranchRefused, ResourceNotFound
from workflows.core.flow import Flow, Run
from workflows.core.parameters import BranchName, FlowParameters
from workflows.core.prefect import orchestration
from workflows.tasks import utility
from workflows.tasks.gitlab import GitLab, MergeRequest, MergeRequestFields, Project


class Parameters(FlowParameters):
    """What gitlab_pull_request is started with."""

    project: str = Field(description="Project: its id, its path (`group/project`) or its URL.")
    source_branch: BranchName = Field(description="Branch to merge. It must exist.")
    target_branch: BranchName | None = Field(
        None, description="Branch to merge into; the default branch if left out."
    )
    title: Annotated[str, Field(max_length=255)] = Field(
        "", description="Title; if left out, as it is, or the branch's name in words."
    )
    description: Annotated[str, Field(max_length=1_048_576)] = Field(
        "", description="Description, in GitLab's Markdown; if left out, as it is."
    )
    draft: bool | None = Field(
        None, description="Whether it is a draft; if left out, an existing one stays as it is."
    )
    labels: tuple[str, ...] = Field((), description="Labels to add.")
    assignees: tuple[str, ...] = Field((), description="User names or ids to assign.")
    reviewers: tuple[str, ...] = Field((), description="User names or ids to ask for review.")
    remove_source_branch: bool | None = Field(
        None, description="Whether merging deletes the source branch."
    )
    squash: bool | None = Field(None, description="Whether merging makes one commit of all.")


@dataclass(frozen=True, slots=True)
class Result:
    """The merge request. `created` is false when it was there before."""

    web_url: str
    iid: int
    source_branch: str
    target_branch: str
    created: bool


def body(parameters: Parameters, run: Run) -> Result:
    """Open the merge request, or bring the open one up to date.

    Raises:
        BranchNotFound: the source branch does not exist.
        BranchRefused: source and target are the same branch.
        WorkflowsError: whatever the GitLab calls raise.
    """
    with GitLab.connect(run.settings) as gitlab:
        project = run.step("read project", gitlab.project, parameters.project)
        target = _target(parameters, project)
        run.step("look at branch", _look_at_branch, gitlab, project, parameters.source_branch)
        merge_request, created = run.step(
            "open merge request", _open, gitlab, project, parameters, target
        )
        return Result(
            merge_request.web_url,
            merge_request.iid,
            merge_request.source_branch,
            merge_request.target_branch,
            created,
        )


def _target(parameters: Parameters, project: Project) -> str:
    target = parameters.target_branch or project.default_branch
    if target is None:
        raise ResourceNotFound(
            f"{project.path} has no default branch",
            why="the repository is empty",
            fix="push a first commit, or name --target-branch",
        )
    if target == parameters.source_branch:
        raise BranchRefused(
            f"{target!r} cannot be merged into itself", fix="choose another --source-branch"
        )
    return target


def _look_at_branch(gitlab: GitLab, project: Project, name: str) -> None:
    if gitlab.branch(project.id, name) is None:
        raise BranchNotFound(
            f"{project.path} has no branch {name!r}", fix="push it first, or check the name"
        )


def _open(
    gitlab: GitLab, project: Project, parameters: Parameters, target: str
) -> tuple[MergeRequest, bool]:
    there = gitlab.find_merge_request(project.id, parameters.source_branch, target_branch=target)
    is_open = there is not None and there.state == "opened"
    title = there.title if there and is_open else _in_words(parameters.source_branch)
    description = there.description if there and is_open else ""
    wanted = MergeRequestFields(
        title=parameters.title or title,
        description=parameters.description or description,
        source_branch=parameters.source_branch,
        target_branch=target,
        draft=parameters.draft,
        labels=parameters.labels,
        assignee_ids=tuple(gitlab.user_ids(parameters.assignees)),
        reviewer_ids=tuple(gitlab.user_ids(parameters.reviewers)),
        remove_source_branch=parameters.remove_source_branch,
        squash=parameters.squash,
    )
    return gitlab.open_merge_request(project.id, wanted)


def _in_words(branch: str) -> str:
    """`12-fix-the-total` -> `12 fix the total`; `feature/login` -> `Login`."""
    words = branch.rsplit("/", 1)[-1].replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


FLOW = Flow(
    name="gitlab_pull_request",
    module=__name__,
    summary="Open or update the merge request of a branch on GitLab.",
    parameters=Parameters,
    body=body,
    title=lambda parameters: f"{parameters.project} {parameters.source_branch}",
    on_end=utility.notify,
)

__getattr__ = orchestration.module_attribute(FLOW)
