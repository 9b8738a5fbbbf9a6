"""A project of its own for each test, on a GitLab for all, and two clients to ask it with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gitlab

from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from workflows.local.gitlab_server.server import GitLabServer
    from workflows.local.gitlab_server.state.model import Project, User

LEVELS = {"owner": 50, "mona": 40, "dave": 30, "rita": 20, "paul": 15, "gus": 10, "stranger": 0}
GIT_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "no_proxy": "*",
    **{f"GIT_{who}_NAME": "Test" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "test@example.com" for who in ("AUTHOR", "COMMITTER")},
}


@dataclass
class Shop:
    """A private project: mona is its Maintainer, dave a Developer, rita a Reporter."""

    lab: GitLabServer
    project: Project
    http: httpx.Client
    folder: Path
    tokens: dict[str, str]
    clones: list[Path] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"/projects/{self.project.id}"

    def user(self, name: str) -> User:
        found = self.lab.find_user(name)
        assert found
        return found

    def ask(
        self, method: str, path: str, by: str | None = "mona", **options: Any
    ) -> httpx.Response:
        """One request; a path that starts with a dot is below the project."""
        headers = {"PRIVATE-TOKEN": self.tokens[by]} if by else {}
        headers |= options.pop("headers", {})
        path = f"{self.api}{path[1:]}" if path.startswith(".") else path
        url = f"{self.lab.url}/api/v4{path}"
        return self.http.request(method, url, headers=headers, **options)

    def get(self, path: str, by: str | None = "mona", **options: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.ask("GET", path, by, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, by: str | None = "mona", **json: Any) -> Any:
        """The JSON of a POST that must succeed."""
        answer = self.ask("POST", path, by, json=json)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def put(self, path: str, by: str | None = "mona", **json: Any) -> Any:
        """The JSON of a PUT that must succeed."""
        answer = self.ask("PUT", path, by, json=json)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()

    def client(self, by: str = "mona") -> Any:
        """The project as python-gitlab sees it."""
        session = gitlab.Gitlab(
            self.lab.url, private_token=self.tokens[by], timeout=20, keep_base_url=True
        )
        session.session.trust_env = False
        return session.projects.get(self.project.path)

    def commit(self, branch: str, files: dict[str, str], **more: Any) -> Any:
        """One commit through the API; the branch is made from the default branch if missing."""
        if branch not in self.project.repository.branches():
            more.setdefault("start_branch", self.project.default_branch)
        sha = self.project.repository.resolve(more.get("start_branch", branch)) or ""
        actions = [
            {
                "action": "update" if self.project.repository.entry(sha, name) else "create",
                "file_path": name,
                "content": text,
            }
            for name, text in files.items()
        ]
        given = {"branch": branch, "commit_message": "A commit", "actions": actions} | more
        return self.post("./repository/commits", **given)

    def merge_request(self, branch: str = "feature", **more: Any) -> Any:
        """A branch with one commit, and a merge request for it."""
        if branch not in self.project.repository.branches():
            self.commit(branch, {f"{branch}.txt": f"{branch}\n"})
        given = {"source_branch": branch, "target_branch": "main", "title": "A title"} | more
        return self.post("./merge_requests", **given)

    def remote(self, by: str = "dave") -> str:
        """The clone URL with a token in it."""
        origin = self.lab.url.replace("://", f"://oauth2:{self.tokens[by]}@")
        return f"{origin}/{self.project.path}.git"

    def clone(self, by: str = "dave") -> Path:
        target = self.folder / f"clone-{len(self.clones)}"
        self.clones.append(target)
        git("clone", "-q", self.remote(by), str(target))
        return target


def git(*args: str, check: bool = True, cwd: Path | None = None) -> process.Completed:
    """Run git as somebody without any configuration."""
    env = environment.for_child(GIT_ENV.items())
    return process.run(["git", *args], env=env, cwd=cwd, timeout_s=30, check=check)


def write_commit(clone: Path, name: str, message: str = "A commit", text: str = "text\n") -> None:
    (clone / name).write_text(text)
    git("add", "-A", cwd=clone)
    git("commit", "-q", "-m", message, cwd=clone)
