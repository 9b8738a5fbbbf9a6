"""Issues, what people wrote on them, and their labels.

API: https://docs.gitlab.com/api/issues/ and https://docs.gitlab.com/api/notes/
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from workflows.tasks.gitlab.answers import Json, moment, read_answer
from workflows.tasks.gitlab.client import GitLabClient
from workflows.tasks.gitlab.people import Author, author

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_LAST_OF_SECOND = timedelta(microseconds=999_999)
_TEXT_EDITED = ("changed the description", "changed title from ")  # GitLab's, in English always
Place = Literal["issues", "merge_requests"]


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue. `state` is opened or closed; `description` is empty where there is none."""

    id: int
    iid: int
    project_id: int
    title: str
    description: str
    state: str
    labels: tuple[str, ...]
    author: Author
    confidential: bool
    web_url: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Comment:
    """What a person wrote. `updated_at` is later than `created_at` if it was edited."""

    id: int
    author_id: int
    author_username: str
    author_name: str
    body: str
    created_at: datetime
    updated_at: datetime


class CommentsRead(NamedTuple):
    """Comments, oldest first; `changed_since` counts those left out as new or edited.

    `text_changed`: the title or the description was edited since.
    """

    comments: list[Comment]
    changed_since: int
    text_changed: bool = False


class Issues(GitLabClient):
    """Issues and their comments."""

    def issue(self, project_id: int, iid: int) -> Issue:
        """One issue by its number in the project.

        Raises:
            ResourceNotFound: there is none, or the token may not see it.
        """
        return read_answer(_issue, self._get(f"/projects/{int(project_id)}/issues/{int(iid)}"))

    def comments(
        self,
        project_id: int,
        iid: int,
        *,
        own_id: int,
        until: datetime | None,
        of: Place = "issues",
    ) -> list[Comment]:
        """What people wrote, oldest first; see `comments_until`."""
        return self.comments_until(project_id, iid, own_id=own_id, until=until, of=of).comments

    def comments_until(
        self,
        project_id: int,
        iid: int,
        *,
        own_id: int,
        until: datetime | None,
        of: Place = "issues",
    ) -> CommentsRead:
        """What people wrote up to `until`, and how many comments are newer or were edited since.

        An `until` of a whole second means that second to its end.

        GitLab's own notes, internal ones and those of the user `own_id` are left out.

        Raises:
            ResourceNotFound: there is no such issue.
        """
        path = notes_path(project_id, iid, of)
        rows = list(self._list(path, sort="asc", order_by="created_at"))
        found = [c for c in _public_comments(rows) if c.author_id != own_id]
        if until is None:
            return CommentsRead(found, 0)
        if until.microsecond == 0:  # in whole seconds, as webhooks give it
            until += _LAST_OF_SECOND
        kept = [c for c in found if c.created_at <= until and c.updated_at <= until]
        edited = any(_is_text_edit(row) and _written_at(row) > until for row in rows)
        return CommentsRead(kept, len(found) - len(kept), edited)


def _public_comments(rows: Iterable[Json]) -> list[Comment]:
    """The comments among notes, in the order of their ids: no system notes, no internal ones."""
    found = [
        read_answer(_comment, row)
        for row in rows
        if not (row.get("system") or row.get("internal") or row.get("confidential"))
    ]
    return sorted(found, key=lambda c: c.id)


def _is_text_edit(row: Json) -> bool:
    """Whether this is GitLab's note that the title or the description was edited."""
    return bool(row.get("system")) and str(row["body"]).startswith(_TEXT_EDITED)


def _written_at(row: Json) -> datetime:
    return read_answer(moment, row["created_at"])


def notes_path(project_id: int, iid: int, of: Place) -> str:
    """The address of the notes of an issue or a merge request."""
    return f"/projects/{int(project_id)}/{of}/{int(iid)}/notes"


def joined_labels(labels: Iterable[str]) -> str:
    """Labels as one parameter; a label cannot hold a comma."""
    return ",".join(label.strip() for label in dict.fromkeys(labels) if label.strip())


def _issue(found: Json) -> Issue:
    return Issue(
        id=int(found["id"]),
        iid=int(found["iid"]),
        project_id=int(found["project_id"]),
        title=str(found["title"]),
        description=found.get("description") or "",
        state=str(found["state"]),
        labels=tuple(found.get("labels") or ()),
        author=author(found.get("author")),
        confidential=bool(found.get("confidential")),
        web_url=str(found["web_url"]),
        created_at=moment(found["created_at"]),
        updated_at=moment(found["updated_at"]),
    )


def _comment(found: Json) -> Comment:
    who = author(found.get("author"))
    return Comment(
        id=int(found["id"]),
        author_id=who.id,
        author_username=who.username,
        author_name=who.name,
        body=str(found["body"]),
        created_at=moment(found["created_at"]),
        updated_at=moment(found["updated_at"]),
    )
