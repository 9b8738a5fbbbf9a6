"""Merge requests: found by their branches, made once, updated.

API: https://docs.gitlab.com/api/merge_requests/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workflows.core.errors import (
    BranchNotFound,
    RequestConflict,
    ResourceNotFound,
)
from workflows.core.redaction import redact
from workflows.tasks.gitlab.answers import Json, read_answer
from workflows.tasks.gitlab.branches import Branches
from workflows.tasks.gitlab.issues import joined_labels
from workflows.tasks.gitlab.people import author

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TITLE = 255
_DRAFT = re.compile(r"\s*(?:draft:|\[draft\]|\(draft\))\s*", re.IGNORECASE)
_BRANCH_WAITS_S = (0.25, 0.5, 1.0, 2.0, 3.0, 3.0)  # GitLab shows a pushed branch a little later


@dataclass(frozen=True, slots=True)
class MergeRequestFields:
    """A merge request as it should be.

    `draft` None leaves an existing one as people chose, and makes a new one as the title says.
    `labels` are added; others stay. Assignees and reviewers are set where there are none yet.
    None for `remove_source_branch` and `squash` leaves them to the project.
    """

    source_branch: str
    target_branch: str
    title: str
    description: str = ""
    draft: bool | None = None
    labels: tuple[str, ...] = ()
    assignee_ids: tuple[int, ...] = ()
    reviewer_ids: tuple[int, ...] = ()
    remove_source_branch: bool | None = None
    squash: bool | None = None


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """A merge request. `state` is opened, closed, locked or merged; `sha` may come late (None)."""

    id: int
    iid: int
    project_id: int
    web_url: str
    state: str
    source_branch: str
    target_branch: str
    title: str
    description: str
    draft: bool
    sha: str | None
    author_id: int
    closed_by_id: int | None
    labels: tuple[str, ...]
    assignee_ids: tuple[int, ...]
    reviewer_ids: tuple[int, ...]
    remove_source_branch: bool
    squash: bool


class MergeRequests(Branches):
    """Finding, making and changing merge requests."""

    def merge_request(self, project_id: int, iid: int) -> MergeRequest:
        """One merge request by its number in the project.

        Raises:
            ResourceNotFound: there is none.
        """
        return read_answer(_merge_request, self._get(f"{_path(project_id)}/{int(iid)}"))

    def find_merge_request(
        self, project_id: int, source_branch: str, *, target_branch: str | None = None
    ) -> MergeRequest | None:
        """The merge request of a branch of this project: the open one, else the newest.

        Those from forks do not count: a branch there may have any name.
        """
        query = {"source_branch": source_branch, "target_branch": target_branch}
        rows = self._list(
            _path(project_id),
            state="all",
            scope="all",
            **{name: value for name, value in query.items() if value is not None},
        )
        found = [
            read_answer(_merge_request, row)
            for row in rows
            if row.get("source_project_id") == int(project_id)
            and row.get("source_branch") == source_branch
            and target_branch in (None, row.get("target_branch"))
        ]
        return max(found, key=lambda one: (one.state == "opened", one.iid), default=None)

    def open_merge_request(
        self, project_id: int, wanted: MergeRequestFields
    ) -> tuple[MergeRequest, bool]:
        """Find or make the open merge request from source to target; an existing one is updated.

        True: this call made it. Repeatable: two at once end with one. Waits
        up to 10 s for the source branch to be seen. A title is cut to 255 characters. Keep text
        of others in the description from beginning a line with `/`, which GitLab would carry out.

        Raises:
            BranchNotFound: there is no such source branch.
            RequestRefused: GitLab refuses it, as where source and target are the same.
            AccessDenied: the role is below Developer, or merge requests are off.
            RemoteUnavailable, TimeoutExceeded, NetworkError: no answer, and none is there.
        """
        found = self._open_one(project_id, wanted)
        if found is not None:
            return self._bring_up(found, wanted), False
        self._await_branch(project_id, wanted.source_branch)
        (made, by_us), heard = self._make(
            post=lambda: self._create(project_id, wanted),
            look=lambda: self._existing(project_id, wanted),
        )
        return self._bring_up(made, wanted), by_us and heard

    def update_merge_request(  # noqa: PLR0913 - options are keyword-only
        self,
        project_id: int,
        iid: int,
        *,
        title: str | None = None,
        description: str | None = None,
        draft: bool | None = None,
        add_labels: Iterable[str] = (),
        remove_labels: Iterable[str] = (),
        state_event: str | None = None,
    ) -> MergeRequest:
        """Change what is given and differs; None leaves a field alone. Repeatable.

        `state_event` is close or reopen. With `draft` None the mark in the title stays.

        Raises:
            ResourceNotFound, AccessDenied, RequestRefused: see `core.errors`.
            RequestConflict: another one is open already (reopen).
        """
        found = self.merge_request(project_id, iid)
        fields = _text_changes(found, title, description, draft=draft)
        added, removed = set(add_labels) - set(found.labels), set(remove_labels) & set(found.labels)
        if added:
            fields["add_labels"] = joined_labels(sorted(added))
        if removed:
            fields["remove_labels"] = joined_labels(sorted(removed))
        if state_event == {"opened": "close", "closed": "reopen"}.get(found.state):
            fields["state_event"] = state_event
        return self._put_fields(found, fields)

    def _open_one(self, project_id: int, wanted: MergeRequestFields) -> MergeRequest | None:
        found = self.find_merge_request(
            project_id, wanted.source_branch, target_branch=wanted.target_branch
        )
        return found if found is not None and found.state == "opened" else None

    def _existing(
        self, project_id: int, wanted: MergeRequestFields
    ) -> tuple[MergeRequest, bool] | None:
        found = self._open_one(project_id, wanted)
        return None if found is None else (found, False)

    def _create(self, project_id: int, wanted: MergeRequestFields) -> tuple[MergeRequest, bool]:
        """POST; where GitLab says that there is one, that one and False."""
        fields: dict[str, Any] = {
            "source_branch": wanted.source_branch,
            "target_branch": wanted.target_branch,
            "title": _titled(wanted.title, draft=wanted.draft),
            "description": wanted.description,
        }
        more = {
            "labels": joined_labels(wanted.labels),
            "assignee_ids": list(wanted.assignee_ids),
            "reviewer_ids": list(wanted.reviewer_ids),
        }
        fields |= {name: value for name, value in more.items() if value}
        for name in ("remove_source_branch", "squash"):
            if getattr(wanted, name) is not None:
                fields[name] = getattr(wanted, name)
        try:
            return read_answer(_merge_request, self._post(_path(project_id), **fields)), True
        except RequestConflict as error:
            found = self._open_one(project_id, wanted) or self._hinted(project_id, wanted, error)
            if found is None:
                raise
            return found, False

    def _hinted(
        self, project_id: int, wanted: MergeRequestFields, error: RequestConflict
    ) -> MergeRequest | None:
        """The merge request that a conflict names (`…: !12`), if it has the branches asked for."""
        number = re.search(r"!(\d{1,10})\b", error.why)
        if number is None:
            return None
        try:
            found = self.merge_request(project_id, int(number[1]))
        except ResourceNotFound:
            return None
        branches = (found.source_branch, found.target_branch)
        fits = branches == (wanted.source_branch, wanted.target_branch)
        return found if fits and found.state == "opened" else None

    def _await_branch(self, project_id: int, name: str) -> None:
        """Return when GitLab shows the branch.

        Raises:
            BranchNotFound: it does not within 10 s.
        """
        for wait_s in (*_BRANCH_WAITS_S, None):
            if self.branch(project_id, name) is not None:
                return
            if wait_s is not None:
                self._sleep(wait_s)
        raise BranchNotFound(
            f"GitLab shows no branch {redact(name)!r} to make a merge request from",
            why=f"it was looked for during {sum(_BRANCH_WAITS_S):.0f} s",
            fix="push the branch first",
        )

    def _bring_up(self, found: MergeRequest, wanted: MergeRequestFields) -> MergeRequest:
        """PUT the fields that differ from `wanted`, if any."""
        fields = _text_changes(found, wanted.title, wanted.description, draft=wanted.draft)
        missing = [label for label in wanted.labels if label not in found.labels]
        if joined_labels(missing):
            fields["add_labels"] = joined_labels(missing)
        for name in ("assignee_ids", "reviewer_ids"):
            if getattr(wanted, name) and not getattr(found, name):
                fields[name] = list(getattr(wanted, name))
        for name in ("remove_source_branch", "squash"):
            if getattr(wanted, name) not in (None, getattr(found, name)):
                fields[name] = getattr(wanted, name)
        return self._put_fields(found, fields)

    def _put_fields(self, found: MergeRequest, fields: dict[str, Any]) -> MergeRequest:
        if not fields:
            return found
        path = f"{_path(found.project_id)}/{found.iid}"
        return read_answer(_merge_request, self._put(path, **fields))


def _path(project_id: int) -> str:
    return f"/projects/{int(project_id)}/merge_requests"


def _text_changes(
    found: MergeRequest, title: str | None, description: str | None, *, draft: bool | None
) -> dict[str, Any]:
    """Title (with the mark of a draft) and description, where they differ."""
    fields: dict[str, Any] = {}
    marked = found.draft if draft is None else draft
    if title is not None or marked != found.draft:
        new = _titled(found.title if title is None else title, draft=marked)
        if new != found.title:
            fields["title"] = new
    if description is not None and description != found.description:
        fields["description"] = description
    return fields


def _titled(title: str, *, draft: bool | None) -> str:
    """One line of at most 255 characters, with or without the mark of a draft (None: as it is)."""
    line = " ".join(title.split())
    if draft is not None:
        while match := _DRAFT.match(line):
            line = line[match.end() :]
        line = f"Draft: {line}" if draft else line
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1].rstrip()}…"


def _merge_request(found: Json) -> MergeRequest:
    title = str(found["title"])
    closed_by = found.get("closed_by")
    return MergeRequest(
        id=int(found["id"]),
        iid=int(found["iid"]),
        project_id=int(found["project_id"]),
        web_url=str(found["web_url"]),
        state=str(found["state"]),
        source_branch=str(found["source_branch"]),
        target_branch=str(found["target_branch"]),
        title=title,
        description=found.get("description") or "",
        draft=bool(found["draft"] if "draft" in found else _DRAFT.match(title)),
        sha=found.get("sha"),
        author_id=author(found.get("author")).id,
        closed_by_id=int(closed_by["id"]) if closed_by else None,
        labels=tuple(found.get("labels") or ()),
        assignee_ids=tuple(int(one["id"]) for one in found.get("assignees") or ()),
        reviewer_ids=tuple(int(one["id"]) for one in found.get("reviewers") or ()),
        remove_source_branch=bool(found.get("force_remove_source_branch")),
        squash=bool(found.get("squash")),
    )
