"""Who the token belongs to, who others are, and what role they have in a project.

API: https://docs.gitlab.com/api/users/ and https://docs.gitlab.com/api/project_members/
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from workflows.core.errors import ParametersInvalid, ResourceNotFound
from workflows.core.redaction import redact
from workflows.tasks.gitlab.answers import Json, read_answer
from workflows.tasks.gitlab.client import GitLabClient

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Author:
    """The user who wrote something."""

    id: int
    username: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A person or a bot. `email` is for commits: the user's choice, or GitLab's no-reply one."""

    id: int
    username: str
    name: str
    email: str
    web_url: str


class People(GitLabClient):
    """Users and members."""

    def me(self) -> User:
        """The user that the token belongs to."""
        return read_answer(self._user, self._get("/user"))

    def user_by_id(self, user_id: int) -> User:
        """The user with this id; `email` is always the no-reply one.

        Raises:
            ResourceNotFound: there is none.
        """
        return read_answer(self._user, self._get(f"/users/{int(user_id)}"))

    def access_level(self, project_id: int, user_id: int) -> int:
        """The role of somebody in a project, groups included: 30 is Developer; 0 is no role.

        A blocked user has none, nor has one whose membership waits for approval or has ended.
        Compare with `>=`: GitLab adds levels.
        """
        try:
            found = self._get(f"/projects/{int(project_id)}/members/all/{int(user_id)}")
        except ResourceNotFound:
            return 0
        now = self.server_time()
        return read_answer(lambda member: _level(member, now), found)

    def user_ids(self, users: Iterable[str | int]) -> tuple[int, ...]:
        """The ids of users given by name (with or without @) or by id, each once, in order.

        Raises:
            ParametersInvalid: some do not exist; the error names each.
        """
        found: dict[int, None] = {}
        unknown = []
        for user in users:
            user_id = self._user_id(str(user).strip().removeprefix("@"))
            if user_id is None:
                unknown.append(str(user))
            else:
                found[user_id] = None
        if unknown:
            raise ParametersInvalid(
                "GitLab knows no user " + ", ".join(repr(redact(name[:100])) for name in unknown),
                fix="give user names such as @ada, or the ids of users",
            )
        return tuple(found)

    def _user_id(self, name: str) -> int | None:
        if name.isascii() and name.isdigit():
            try:
                return self.user_by_id(int(name)).id
            except ResourceNotFound:
                return None
        if not name:
            return None
        for row in self._list("/users", username=name):
            if str(row.get("username", "")).lower() == name.lower():
                return read_answer(lambda user: int(user["id"]), row)
        return None

    def _user(self, found: Json) -> User:
        number, username = int(found["id"]), str(found["username"])
        return User(
            id=number,
            username=username,
            name=str(found.get("name") or username),
            email=found.get("commit_email") or f"{number}-{username}@users.noreply.{self.host}",
            web_url=str(found.get("web_url") or f"{self.url}/{username}"),
        )


def author(found: Json | None) -> Author:
    """The author in an answer; one that was deleted has the id 0."""
    if found is None:
        return Author(0, "ghost", "Ghost User")
    return Author(int(found["id"]), str(found["username"]), str(found.get("name") or ""))


def _level(member: Json, now: datetime) -> int:
    """GitLab ends a membership at the beginning of its last day, UTC (`Member#expired?`)."""
    active = member["state"] == "active" and member.get("membership_state", "active") == "active"
    ends = member.get("expires_at")
    over = ends is not None and date.fromisoformat(ends) <= now.date()
    return int(member["access_level"]) if active and not over else 0
