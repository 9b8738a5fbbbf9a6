"""push_feature: an agent carries out a feature request; checked, committed and pushed to a branch.

Running it twice is safe: the commit carries the request's id, and a branch that has it is left
as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.change import delivery
from workflows.change.options import ChangeOptions
from workflows.change.request import Request, request_id
from workflows.change.wording import prompt
from workflows.change.wording.safe_text import one_line, slug
from workflows.core.flow import Flow, Run
from workflows.core.git.commit_text import CommitIdentity
from workflows.core.git.urls import GitUrl
from workflows.core.parameters import BranchName, Email, NewBranchName, PersonName
from workflows.core.prefect import orchestration
from workflows.tasks import utility

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
    identity = request_id("push_feature", parameters.source_branch, parameters.feature_request)
    job = delivery.ChangeJob(
        url=parameters.git_url,
        branch=parameters.feature_branch or _branch_for(parameters.feature_request, identity),
        source_branch=parameters.source_branch,
        request_id=identity,
        ask=partial(_request, parameters, identity),
        author=CommitIdentity(parameters.git_user, parameters.git_email),
        options=parameters,
        before_push=lambda _: None,
    )
    with utility.scratch_folder() as scratch:
        done = delivery.deliver(job, run, scratch)
    made = done.made
    evidence = made.evidence if made else None
    return Result(
        branch=done.branch,
        commit_id=done.commit_id,
        web_url=parameters.git_url.branch_url(done.branch),
        changed=made is not None,
        files=made.stat.files if made else None,
        attempts=made.attempts if made else None,
        agent_s=made.agent_s if made else None,
        check_s=made.check_s if made else None,
        check_passed=evidence.passed if evidence else None,
        left_out=made.left_out if made else (),
    )


def _request(
    parameters: Parameters,
    identity: str,
    guides: list[tuple[str, str]],
    _again: bool,  # noqa: FBT001 - the protocol of delivery.ChangeJob
) -> Request:
    person = _PERSON.fullmatch(parameters.author)
    return Request(
        id=identity,
        prompt=prompt.feature_prompt(parameters.feature_request, guides),
        subject=one_line(parameters.feature_request, 72) or "Carry out a feature request",
        co_authors=(CommitIdentity(person[1], person[2]),) if person else (),
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
