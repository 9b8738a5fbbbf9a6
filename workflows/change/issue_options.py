"""The parameters of a flow that resolves an issue."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.change.options import ChangeOptions
from workflows.core.parameters import BranchName, Email, PersonName


class IssueOptions(ChangeOptions):
    """Which issue, who asked and when, and what the merge request is to be."""

    project: str | None = Field(
        None, description="Project: its id, its path (`group/project`) or its URL."
    )
    issue_iid: int | None = Field(None, ge=1, description="The issue's number in the project.")
    issue_url: str | None = Field(None, description="The issue's page, in place of the two above.")
    target_branch: BranchName | None = Field(
        None, description="Branch to start from and to merge into; the default branch if left out."
    )
    closes: bool = Field(default=True, description="Whether merging closes the issue.")
    labels: tuple[str, ...] = Field((), description="Labels for the merge request.")
    reviewers: tuple[str, ...] = Field(
        (), description="User names or ids to ask for review, besides who asked."
    )
    remove_source_branch: bool = Field(
        default=True, description="Whether merging deletes the branch."
    )
    squash: bool | None = Field(None, description="Whether merging makes one commit of all.")
    git_user: PersonName | None = Field(
        None, description="Name of the commit's author; the token's user if left out."
    )
    git_email: Email | None = Field(
        None, description="E-mail of the commit's author; the token user's private one if left out."
    )
    actor_id: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Numeric id of the user who asked; absent when an operator runs it."
    )
    asked_at: AwareDatetime | None = Field(
        None, description="When it was asked (ISO 8601): later comments are not read."
    )
    dry_run: bool = Field(
        default=False, description="Show prompt, plan and diff; write nothing to GitLab."
    )

    @model_validator(mode="after")
    def _names_one_issue(self) -> IssueOptions:
        pair = self.project is not None and self.issue_iid is not None
        if pair == (self.issue_url is not None) or (
            self.issue_url is not None and (self.project or self.issue_iid)
        ):
            raise PydanticCustomError("issue", "give project and issue_iid, or issue_url alone")
        return self
