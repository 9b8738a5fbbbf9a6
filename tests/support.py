"""What tests share: tokens, a look at the server's disk, the command as a process."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.core import process
from workflows.core.config import environment
from workflows.core.git.command import Git
from workflows.core.git.urls import GitUrl

if TYPE_CHECKING:
    from workflows.local.git_server.http import GitServer

TOKEN = "glpat-maintainer-5f1e2d"
DEVELOPER_TOKEN = "glpat-developer-77aa0c"
REPORTER_TOKEN = "glpat-reporter-0b1c2d"
PROJECT = "acme/shop"
ROOT = Path(__file__).resolve().parent.parent
PLUSCODER = (ROOT / ".venv-pluscoder").resolve()  # `make test` makes it


@dataclass
class Remote:
    """A private project on a running git server, and what is on that server's disk."""

    server: GitServer
    base_url: str
    folder: Path
    project: str = PROJECT

    @property
    def url(self) -> str:
        """The project's clone URL, without a credential."""
        return f"{self.base_url}/{self.project}.git"

    def git(self, *args: str) -> str:
        """Run git in the bare repository and return what it printed."""
        env = environment.for_child({"GIT_CONFIG_GLOBAL": "/dev/null"}.items())
        done = process.run(["git", *args], env=env, cwd=self.folder, timeout_s=60)
        return done.stdout.strip()

    def branches(self) -> dict[str, str]:
        """Branch name to commit id, on the server."""
        listing = self.git(
            "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"
        )
        return dict(line.split(" ") for line in listing.split("\n") if line)


@dataclass
class Cli:
    """Runs `python -m workflows` for real."""

    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    limit_s: float = 60

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """What the process sees: PATH, a home of its own, and what the test says."""
        base = {"HOME": str(self.cwd), "WORKFLOWS_RETRY_DELAY_S": "0.05", "TMPDIR": str(self.cwd)}
        return environment.for_child((base | self.env | more).items())

    def __call__(self, *args: str, **env: str) -> process.Completed:
        """Run to the end (`limit_s` at most) and return how it ended, whatever the exit code."""
        return process.run(
            [sys.executable, "-m", "workflows", *args],
            env=self.environment(env),
            cwd=self.cwd,
            timeout_s=self.limit_s,
            check=False,
        )


def last_json(done: process.Completed) -> dict[str, Any]:
    """The JSON object that `--json` prints as the last line."""
    value: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return value


def git_for(url: str, token: str = TOKEN) -> Git:
    """Git with a token, for tests that look at a remote as a client does."""
    return Git(GitUrl.parse(url), 60, secret=token)
