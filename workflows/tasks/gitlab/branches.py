"""Branches through the API. Of many callers at once, only one can make a branch.

API: https://docs.gitlab.com/api/branches/
"""

from __future__ import annotations

from dataclasses import dataclass

from workflows.core.errors import (
    RequestRefused,
    ResourceNotFound,
)
from workflows.tasks.gitlab.answers import Json, read_answer
from workflows.tasks.gitlab.client import GitLabClient, url_quoted


@dataclass(frozen=True, slots=True)
class BranchInfo:
    """A branch and the id of its newest commit."""

    name: str
    commit_id: str
    protected: bool
    default: bool


class Branches(GitLabClient):
    """Reading, making and deleting branches."""

    def branch(self, project_id: int, name: str) -> BranchInfo | None:
        """A branch; None if it is not there (or the token may not see the project)."""
        try:
            found = self._get(f"{_path(project_id)}/{url_quoted(name)}")
        except ResourceNotFound:
            return None
        return read_answer(_branch, found)

    def create_branch(self, project_id: int, name: str, ref: str) -> bool | None:
        """Make a branch at a branch, tag or commit.

        True: this call made it; of many at once exactly one gets True. False: it was there.
        None: it is there now, but an answer was lost, so it may be ours or another's.

        Raises:
            RequestRefused: GitLab refuses the name or the ref.
            AccessDenied: the role is below Developer, or the name is protected.
            RemoteUnavailable, TimeoutExceeded, NetworkError: no answer, and no branch.
        """
        lost = False

        def post() -> bool:
            try:
                self._post(_path(project_id), branch=name, ref=ref)
            except RequestRefused:
                if self.branch(project_id, name) is None:
                    raise
                return False
            return True

        def look() -> bool | None:
            nonlocal lost
            lost = True
            return None if self.branch(project_id, name) is None else False

        made, _ = self._make(post, look)
        return None if lost and not made else made

    def delete_branch(self, project_id: int, name: str) -> None:
        """Delete a branch; one that is gone is no error.

        Raises:
            AccessDenied, RequestRefused: it is protected, or the default branch.
        """
        try:
            self._delete(f"{_path(project_id)}/{url_quoted(name)}")
        except ResourceNotFound:
            return


def _path(project_id: int) -> str:
    return f"/projects/{int(project_id)}/repository/branches"


def _branch(found: Json) -> BranchInfo:
    return BranchInfo(
        name=str(found["name"]),
        commit_id=str(found["commit"]["id"]),
        protected=bool(found.get("protected")),
        default=bool(found.get("default")),
    )
