"""push_feature: an agent carries out a feature request; checked, committed and pushed to a branch.

Running it twice is safe: the commit carries the request's id, and a branch that has it is left
as it is.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.change.options import ChangeOptions
from workflows.change.request import ChangeRequest, FeatureTask, request_id
from workflows.change.stages.attempt import prepare_attempts
from workflows.change.stages.attempt_loop import make_change
from workflows.change.stages.base import clone_base
from workflows.change.stages.push import Pushed, push_change, pushed_before
from workflows.change.wording.safe_text import one_line, slug
from workflows.core.flow import Flow, Run
from workflows.core.git.commit_text import CommitIdentity
from workflows.core.git.urls import GitUrl
from workflows.core.parameters import BranchName, Email, NewBranchName, PersonName
from workflows.core.prefect import orchestration
from workflows.tasks import git, utility

if TYPE_CHECKING:
    from pathlib import Path

_MAX_REQUEST = 200_000
_PERSON = re.compile(r"([^<>\x00-\x1f]+?) <([^@\s<>]+@[^@\s<>]+)>")


def _author(text: str) -> str:
    if text and not _PERSON.fullmatch(text):
        raise PydanticCustomError("person", "is not of the form `Name <name@example.com>`")
    return text


class Parameters(ChangeOptions):
    """What push_feature is started with."""

    git_url: GitUrl = Field(description="Repository to push to: https, http or ssh URL.")
    feature_request: Annotated[str, Field(min_length=1, max_length=_MAX_REQUEST)] = Field(
        description="What is wanted, in words."
    )
    source_branch: BranchName | None = Field(
        None, description="Branch to start from; the default branch if left out."
    )
    feature_branch: NewBranchName | None = Field(
        None,
        description="Branch to push, made or gone on with; named after the request if left out.",
    )
    author: Annotated[str, AfterValidator(_author)] = Field(
        "", description="Who asked, `Name <name@example.com>`: becomes the commit's co-author."
    )
    git_user: PersonName = Field("Workflows", description="Name of the commit's author.")
    git_email: Email = Field("workflows@localhost", description="E-mail of the commit's author.")


@dataclass(frozen=True, slots=True)
class Result:
    """The branch as the remote has it. `changed` is false when an earlier run did the work.

    `check_passed` is None without a check command. `left_out` are files the agent wrote that are
    not in the commit.
    """

    branch: str
    commit_id: str
    web_url: str | None
    changed: bool
    files: int | None = None
    attempts: int | None = None
    agent_s: float | None = None
    check_s: float | None = None
    check_passed: bool | None = None
    left_out: tuple[str, ...] = ()


def body(parameters: Parameters, run: Run) -> Result:
    """Let the agent edit a clone, check what it made, and push it.

    Raises:
        BranchRefused: the branch is the repository's default branch.
        NoChange, AgentFailed, ChangeRefused, ChecksFailed: nothing was pushed.
        WorkflowsError: whatever the git steps raise.
    """
    request = _request(parameters)
    deadline = time.monotonic() + parameters.timeout_s
    with utility.scratch_folder() as scratch:
        pushed = git.start_over_when_moved(
            lambda folder: _clone_change_push(request, run, folder, deadline), scratch
        )
    change = pushed.change
    return Result(
        branch=pushed.branch,
        commit_id=pushed.commit_id,
        web_url=parameters.git_url.branch_url(pushed.branch),
        changed=change is not None,
        files=change.stat.files if change else None,
        attempts=change.attempts if change else None,
        agent_s=change.agent_s if change else None,
        check_s=change.check_s if change else None,
        check_passed=change.evidence.passed if change and change.evidence else None,
        left_out=change.left_out if change else (),
    )


def _clone_change_push(request: ChangeRequest, run: Run, folder: Path, deadline: float) -> Pushed:
    """The stages from the request to the pushed branch."""
    base = clone_base(request, run, folder, deadline)
    already = pushed_before(base)
    if already is not None:
        return already
    context = prepare_attempts(base, run)
    change = make_change(context, run)
    return push_change(base, change, run)


def _request(parameters: Parameters) -> ChangeRequest:
    identity = request_id("push_feature", parameters.source_branch, parameters.feature_request)
    person = _PERSON.fullmatch(parameters.author)
    return ChangeRequest(
        id=identity,
        task=FeatureTask(parameters.feature_request),
        subject=one_line(parameters.feature_request, 72) or "Carry out a feature request",
        co_authors=(CommitIdentity(person[1], person[2]),) if person else (),
        url=parameters.git_url,
        branch=parameters.feature_branch or _branch_for(parameters.feature_request, identity),
        source_branch=parameters.source_branch,
        author=CommitIdentity(parameters.git_user, parameters.git_email),
        options=parameters,
    )


def _branch_for(feature_request: str, identity: str) -> str:
    """A name that comes from the request, so that a second run finds the first one's branch."""
    words = slug(feature_request, 40)
    return f"feature/{words}-{identity[:8]}" if words else f"feature/{identity[:8]}"


FLOW = Flow(
    name="push_feature",
    module=__name__,
    summary="Let a coding agent carry out a request and push it to a branch.",
    parameters=Parameters,
    body=body,
    title=lambda parameters: (
        f"{parameters.git_url.name}: {one_line(parameters.feature_request, 60)}"
    ),
    on_end=utility.notify,
)

__getattr__ = orchestration.module_attribute(FLOW)
