"""Access control for git over HTTP, with the users, tokens and levels of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.git_server.rules import (
    DOWNLOAD_FORBIDDEN,
    NOT_FOUND,
    PUSH_FORBIDDEN,
    Access,
    GitRefusal,
    ProtectedBranch,
    PushRules,
    RefChange,
    Service,
    access_refusal,
)
from workflows.local.gitlab_server.git import pushes
from workflows.local.gitlab_server.state.model import BranchChange

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Project, Token

_FETCH = {"api", "read_api", "read_repository", "write_repository"}
_PUSH = {"api", "write_repository"}
_HEADS = "refs/heads/"


class _Asker(str):
    """A user name with the token of the request."""

    __slots__ = ("token",)
    token: Token


class GitAccess:
    """The `AccessControl` of the embedded GitLab."""

    def __init__(self, lab: GitLabState) -> None:
        self._lab = lab

    def identify(self, user: str, token: str) -> str | None:
        """The user of the token; the given user name only must not be empty."""
        with self._lab.lock:
            found = self._lab.valid_token(token)
            if not user or found is None or found.user.state != "active":
                return None
            asker = _Asker(found.user.username)
            asker.token = found
            return asker

    def authorise(self, path: str, user: str | None, service: Service) -> Access | GitRefusal:
        """Whether the user may fetch from or push to a project."""
        with self._lab.lock:
            project = self._lab.find_project(path) if "/" in path else None
            token = user.token if isinstance(user, _Asker) else None
            account = token.user if token else None
            if project is None or not self._lab.visible(project, account):
                return GitRefusal(404, NOT_FOUND)
            level = self._lab.level(project, account)
            refused = access_refusal(service, level=level, public=project.visibility != "private")
            if refused:
                return refused
            if service == "git-upload-pack":
                return self._fetch(project, token)
            return self._push(project, token, level)

    def _fetch(self, project: Project, token: Token | None) -> Access | GitRefusal:
        if token is None or _FETCH & token.scopes:
            return Access(project.repository.folder)
        return GitRefusal(403, DOWNLOAD_FORBIDDEN)

    def _push(self, project: Project, token: Token | None, level: int) -> Access | GitRefusal:
        if token is None or not _PUSH & token.scopes or project.archived:
            return GitRefusal(403, PUSH_FORBIDDEN)
        rules = tuple(
            ProtectedBranch(rule.name, rule.push_level, rule.allow_force_push)
            for rule in project.protections
        )

        def on_push(refs: list[RefChange]) -> None:
            changes = [
                BranchChange(ref.ref.removeprefix(_HEADS), ref.old, ref.new, ref.options)
                for ref in refs
                if ref.ref.startswith(_HEADS)
            ]
            with self._lab.lock:
                project.last_push_options = refs[0].options if refs else ()
                pushes.branches_moved(self._lab, project, token.user, changes)

        rules_for_push = PushRules(level, rules, project.decline)
        return Access(project.repository.folder, rules_for_push, on_push)
