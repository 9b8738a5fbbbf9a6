"""One request to the API: the asker, and typed access to its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.http.answers import (
    forbidden,
    insufficient_scope,
    invalid_parameter,
    not_found,
    unauthorized,
)
from workflows.local.gitlab_server.state.model import REPORTER

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, Project, Token, User

_TRUE = ("true", "1", "t", "yes", "on", "True")
_FALSE = ("false", "0", "f", "no", "off", "False")


@dataclass
class ApiCall:
    """A request. `path` holds the decoded parts of its address, `params` everything else."""

    lab: GitLabState
    method: str
    target: str
    query: str
    path: dict[str, str]
    params: Json
    token: Token | None
    headers: dict[str, str] = field(default_factory=dict)

    # --- the asker ---------------------------------------------------------------------------

    @property
    def asker(self) -> User | None:
        """The user of the token; None: anonymous."""
        return self.token.user if self.token else None

    @property
    def user(self) -> User:
        """The user of the token.

        Raises:
            GitLabApiError: 401, the request is anonymous.
        """
        if self.token is None:
            raise unauthorized()
        return self.token.user

    def project(self) -> Project:
        """The project in the path; 404 if the asker may not see it."""
        found = self.lab.find_project(self.path["id"])
        if found is None or not self.lab.visible(found, self.asker):
            raise not_found("Project")
        return found

    def code(self) -> Project:
        """The project in the path, if the asker may also read its repository."""
        project = self.project()
        if self.lab.level(project, self.asker) < REPORTER and project.visibility == "private":
            raise forbidden()
        return project

    def need(self, project: Project, level: int) -> None:
        """Refuse (403) an asker whose access level is below `level`."""
        if self.lab.level(project, self.user) < level:
            raise forbidden()

    def check_scope(self) -> None:
        """Refuse (403) a token whose scopes do not cover this method and path."""
        if self.token is None or "api" in self.token.scopes:
            return
        if self.method not in {"GET", "HEAD"}:
            raise insufficient_scope("api")
        enough = {"read_api"}
        if self.target.split("/")[0] in {"user", "users"}:
            enough.add("read_user")
        if "/repository/files" in self.target:
            enough.add("read_repository")
        if not enough & self.token.scopes:
            raise insufficient_scope("api read_api")

    # --- parameters --------------------------------------------------------------------------

    def has(self, *names: str) -> bool:
        """Whether any of these parameters was given at all."""
        return any(name in self.params for name in names)

    def require(self, *names: str) -> None:
        """Refuse (400) the request unless all are given; the error names all missing ones."""
        missing = [name for name in names if self.params.get(name) is None]
        if missing:
            raise invalid_parameter(", ".join(f"{name} is missing" for name in missing))

    def at_least_one(self, *names: str) -> None:
        """Refuse an update that changes nothing."""
        if not self.has(*names):
            listed = ", ".join(names)
            raise invalid_parameter(
                f"{listed} are missing, at least one parameter must be provided"
            )

    def text(self, name: str, default: str | None = None) -> str | None:
        """A string; a number counts as one."""
        value = self.params.get(name)
        if value is None:
            return default
        if isinstance(value, (dict, list)):
            raise invalid_parameter(f"{name} is invalid")
        return str(value)

    def required(self, name: str) -> str:
        """A string that must be there."""
        self.require(name)
        return self.text(name) or ""

    def flag(self, name: str, *, default: bool | None = None) -> bool | None:
        """A boolean, in any of its spellings."""
        value = self.params.get(name)
        if value is None or value == "":
            return default
        if str(value).lower() in _TRUE:
            return True
        if str(value).lower() in _FALSE:
            return False
        raise invalid_parameter(f"{name} is invalid")

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number."""
        value = self.params.get(name)
        return default if value in (None, "") else _integer(name, value)

    def choice(self, name: str, values: tuple[str, ...], default: str) -> str:
        """One of these words."""
        value = self.text(name, default)
        if value not in values:
            raise invalid_parameter(f"{name} does not have a valid value")
        return value

    def words(self, name: str) -> list[str]:
        """Several strings: joined by commas, or an array."""
        value = self.params.get(name)
        if value is None:
            return []
        parts = value if isinstance(value, list) else str(value).split(",")
        return [str(part).strip() for part in parts if str(part).strip()]

    def numbers(self, name: str) -> list[int]:
        """Several whole numbers."""
        return [_integer(name, word) for word in self.words(name)]

    def moment(self, name: str) -> datetime | None:
        """An ISO time or date; without a zone it is UTC."""
        value = self.text(name)
        if not value:
            return None
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise invalid_parameter(f"{name} is invalid") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def iid(self, name: str) -> int:
        """A number in the path, such as an iid."""
        return _integer(name, self.path[name])


def _integer(name: str, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
        raise invalid_parameter(f"{name} is invalid")
    return int(text)
