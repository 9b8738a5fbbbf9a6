"""The state of a GitLab: people, tokens, groups, projects, and who may see and do what.

Tests and the demo create content with this class; what users do through the API is in the rooms
`actions`, `git` and `api`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workflows.local.git_server.http import create_bare
from workflows.local.gitlab_server.state.model import (
    MAINTAINER,
    OWNER,
    Label,
    Member,
    Namespace,
    Project,
    Protection,
    Token,
    User,
)
from workflows.local.gitlab_server.state.outbox import Outbox
from workflows.local.gitlab_server.state.repository import BareRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date
    from pathlib import Path

VERSION = "18.4.0"
REVISION = "0a1b2c3d4e5"
LABEL_COLOR = "#6699cc"
_PROJECT_PATH = re.compile(r"\w[\w.-]*(/\w[\w.-]*)+", re.ASCII)
_SCOPES = ("api",)


class GitLabState:
    """Everything that a GitLab stores. Hold `lock` to read or change it while it is served.

    `person` is the user of the pages (None: anonymous). Options: `rate_limit` requests a minute for
    each user (None: off), `notes_limit` notes a minute, `unprepared_reads`: how often a new merge
    request is shown before its diff is computed, `duplicate_webhooks`: how many extra copies of
    each delivery are sent, `auto_disable_hooks`, `allow_local_hooks`.
    """

    def __init__(self, root: Path, *, clock: Callable[[], datetime] | None = None) -> None:
        self.root = root
        self.url = "http://127.0.0.1"
        self.lock = threading.RLock()
        self.outbox = Outbox()
        self.users: dict[int, User] = {}
        self.tokens: dict[str, Token] = {}
        self.namespaces: dict[str, Namespace] = {}
        self.projects: dict[int, Project] = {}
        self.person: User | None = None
        self.rate_limit: int | None = None
        self.notes_limit: int | None = None
        self.unprepared_reads = 0
        self.duplicate_webhooks = 0
        self.auto_disable_hooks = False
        self.allow_local_hooks = True
        self._clock = clock or (lambda: datetime.now(UTC))
        self._last = datetime.min.replace(tzinfo=UTC)
        self._ids: dict[str, int] = {}
        self.admin = self.create_user("root", name="Administrator", admin=True)

    # --- time and numbers --------------------------------------------------------------------

    def now(self) -> datetime:
        """The time in whole milliseconds; each call returns a later one than the call before."""
        given = self._clock()
        given = given.replace(microsecond=given.microsecond // 1000 * 1000)
        self._last = max(given, self._last + timedelta(milliseconds=1))
        return self._last

    def next_id(self, kind: str) -> int:
        """The next number of its kind, from 1."""
        self._ids[kind] = self._ids.get(kind, 0) + 1
        return self._ids[kind]

    def hex_id(self, kind: str) -> str:
        """40 hex digits, the same in every run."""
        text = f"{kind}-{self.next_id(kind)}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    # --- people ------------------------------------------------------------------------------

    def create_user(
        self, username: str, *, name: str | None = None, admin: bool = False, bot: bool = False
    ) -> User:
        """Make an account with a namespace of its own.

        Raises:
            ValueError: the name is taken.
        """
        if username in self.namespaces:
            raise ValueError(f"taken: {username}")
        email = f"{username}@example.com"
        shown = name or username.capitalize()
        user = User(self.next_id("user"), username, shown, email, admin, bot)
        self.users[user.id] = user
        if not bot:
            space = Namespace(self.next_id("namespace"), username, "user")
            space.members[user.id] = Member(user, OWNER)
            self.namespaces[username] = space
        return user

    def create_token(
        self,
        user: User,
        scopes: Iterable[str] = _SCOPES,
        *,
        value: str | None = None,
        expires_at: date | None = None,
    ) -> str:
        """Make a personal access token and return it."""
        value = value or f"glpat-{self.hex_id('token')[:20]}"
        self.tokens[value] = Token(value, user, frozenset(scopes), expires_at)
        return value

    def create_project_token(
        self, project: Project, level: int = MAINTAINER, scopes: Iterable[str] = _SCOPES
    ) -> str:
        """Make a project access token: a bot, member of this project only."""
        number = self.next_id("bot")
        username = f"project_{project.id}_bot_{self.hex_id('bot-name')[:8]}"
        bot = self.create_user(username, name=f"bot {number}", bot=True)
        self.add_member(project, bot, level)
        return self.create_token(bot, scopes)

    def find_user(self, username: str) -> User | None:
        """The account of this name, in any case."""
        wanted = username.lower()
        return next((u for u in self.users.values() if u.username.lower() == wanted), None)

    def valid_token(self, value: str) -> Token | None:
        """The token, unless it is unknown, revoked or expired."""
        token = self.tokens.get(value)
        if token is None or token.revoked or not _lasts(token.expires_at, self._clock()):
            return None
        return token

    # --- groups and projects -----------------------------------------------------------------

    def create_group(self, path: str) -> Namespace:
        """The group at this path, made with its parents where it is missing."""
        parent = path.rpartition("/")[0]
        if parent:
            self.create_group(parent)
        if path not in self.namespaces:
            self.namespaces[path] = Namespace(self.next_id("namespace"), path)
        return self.namespaces[path]

    def add_member(
        self,
        where: Project | Namespace,
        user: User,
        level: int,
        *,
        expires_at: date | None = None,
    ) -> Member:
        """Set the access level of a user in a project or group."""
        where.members[user.id] = Member(user, level, expires_at)
        return where.members[user.id]

    def create_project(
        self,
        path: str = "acme/shop",
        *,
        visibility: str = "private",
        files: Mapping[str, str] | None = None,
        default_branch: str = "main",
        creator: User | None = None,
    ) -> Project:
        """Make a project with one commit of `files` (a README.md if None; nothing if empty).

        The default branch is protected: maintainers push and merge.

        Raises:
            ValueError: the path is no `group/project`, or is taken.
        """
        if not _PROJECT_PATH.fullmatch(path) or ".git/" in f"{path}/" or self.find_project(path):
            raise ValueError(f"no path for a new project: {path!r}")
        number = self.next_id("project")
        folder = self.root / f"{number}.git"
        given = {"README.md": f"# {path}\n"} if files is None else files
        create_bare(folder, files=given, default_branch=default_branch)
        group, _, name = path.rpartition("/")
        project = Project(
            id=number,
            path=path,
            name=name,
            namespace=self.create_group(group),
            repository=BareRepository(folder),
            created_at=self.now(),
            creator=creator,
            default_branch=default_branch,
            visibility=visibility,
        )
        self.protect(project, default_branch)
        self.projects[number] = project
        return project

    def move_project(self, project: Project, path: str) -> None:
        """Move a project to another path; the API answers 301 at the old one."""
        project.old_paths.add(project.path)
        project.path = path
        project.namespace = self.create_group(path.rpartition("/")[0])

    def find_project(self, name: str) -> Project | None:
        """The project with this number or full path."""
        if name.isascii() and name.isdigit():
            return self.projects.get(int(name))
        wanted = name.lower()
        return next((p for p in self.projects.values() if p.path.lower() == wanted), None)

    def protect(
        self, project: Project, name: str, push: int = MAINTAINER, merge: int = MAINTAINER
    ) -> Protection:
        """Protect the branches that `name` matches (`*`: anything) from lower access levels."""
        protection = Protection(self.next_id("protection"), name, push, merge)
        project.protections.append(protection)
        return protection

    def label(self, project: Project, name: str, color: str = LABEL_COLOR) -> Label:
        """The label of this name, made where it is missing."""
        for label in project.labels:
            if label.name == name:
                return label
        label = Label(self.next_id("label"), name, color, self.now())
        project.labels.append(label)
        return label

    # --- permissions -------------------------------------------------------------------------

    def memberships(self, project: Project) -> dict[int, Member]:
        """All members by user id, inherited ones too; of several levels the highest counts."""
        found: dict[int, Member] = {}
        for members in (project.members, *(s.members for s in self._ancestors(project))):
            for number, member in members.items():
                lasting = _lasts(member.expires_at, self._clock())
                if lasting and (number not in found or found[number].level < member.level):
                    found[number] = member
        return found

    def _ancestors(self, project: Project) -> list[Namespace]:
        parts = project.path.split("/")[:-1]
        paths = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return [self.namespaces[path] for path in paths if path in self.namespaces]

    def level(self, project: Project, user: User | None) -> int:
        """The effective access level of a user; 0: none, or the user is blocked."""
        if user is None or user.state != "active":
            return 0
        if user.is_admin:
            return OWNER
        member = self.memberships(project).get(user.id)
        return member.level if member else 0

    def visible(self, project: Project, user: User | None) -> bool:
        """Whether a user may see that the project exists."""
        if project.visibility == "public" or self.level(project, user):
            return True
        return project.visibility == "internal" and user is not None and user.state == "active"

    def may_push(self, project: Project, user: User | None, branch: str) -> bool:
        """Whether a user may push to this branch."""
        return self._reaches(project, user, branch, lambda rule: rule.push_level)

    def may_merge(self, project: Project, user: User | None, branch: str) -> bool:
        """Whether a user may merge into this branch; who may push may also merge."""
        merging = self._reaches(project, user, branch, lambda rule: rule.merge_level)
        return merging or self.may_push(project, user, branch)

    def _reaches(
        self,
        project: Project,
        user: User | None,
        branch: str,
        needed: Callable[[Protection], int],
    ) -> bool:
        level = self.level(project, user)
        if level < 30 or project.archived:  # noqa: PLR2004 - DEVELOPER, for every branch
            return False
        rules = [needed(rule) for rule in protections(project, branch)]
        return not rules or any(0 < wanted <= level for wanted in rules)


def protections(project: Project, branch: str) -> list[Protection]:
    """The rules that hold for a branch."""
    return [
        rule
        for rule in project.protections
        if re.fullmatch(re.escape(rule.name).replace(r"\*", ".*"), branch)
    ]


def _lasts(expires_at: date | None, now: datetime) -> bool:
    return expires_at is None or now.date() < expires_at
