"""A project on the embedded git server, and real git to use it."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workflows.core import process
from workflows.core.config import environment
from workflows.local.git_server.http import Account, GitServer

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from workflows.local.git_server.rules import Service


ACCOUNTS = (
    Account("mona", "tok-40", 40),
    Account("dave", "tok-30", 30),
    Account("rita", "tok-20", 20),
    Account("gus", "tok-10", 10),
    Account("sid", "tok-0", 0),
)
MAINTAINER = ACCOUNTS[0].token
FETCH: Service = "git-upload-pack"
PUSH: Service = "git-receive-pack"
GIT_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "no_proxy": "*",
    **{f"GIT_{who}_NAME": "Test" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "test@example.com" for who in ("AUTHOR", "COMMITTER")},
}
LS_REFS = b"0014command=ls-refs\n0000"
V2 = {"Git-Protocol": "version=2", "Content-Type": "application/x-git-upload-pack-request"}
NUMBERS = itertools.count(1)


def git(*args: str, check: bool = True, **more: str) -> process.Completed:
    """Run git as somebody without any configuration; `more` are environment variables."""
    env = environment.for_child((GIT_ENV | more).items())
    return process.run(["git", *args], env=env, timeout_s=30, check=check)


@dataclass(frozen=True)
class Shop:
    """A project of its own for each test, on one server for all."""

    server: GitServer
    base: str
    path: str
    folder: Path
    client: httpx.Client

    def other(self, path: str, **options: Any) -> Shop:
        """Another project beside this one."""
        self.server.create_repository(path, **options)
        return replace(self, path=path)

    @property
    def web_url(self) -> str:
        return f"{self.base}/{self.path}"

    def remote(self, token: str = MAINTAINER, user: str = "oauth2") -> str:
        return f"{self.web_url.replace('://', f'://{user}:{token}@')}.git"

    def clone(self, token: str = MAINTAINER, *options: str) -> Path:
        target = self.folder / f"clone-{next(NUMBERS)}"
        git("clone", "-q", *options, self.remote(token), str(target))
        return target

    def refs(self) -> dict[str, str]:
        repository = self.server.root / f"{self.path}.git"
        shown = git(f"--git-dir={repository}", "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ") for line in shown.stdout.splitlines())

    def info_refs(self, service: str, token: str | None = None, user: str = "x") -> httpx.Response:
        auth = (user, token) if token else None
        return self.client.get(f"{self.web_url}.git/info/refs?service={service}", auth=auth)


def commit(clone: Path, name: str = "new.txt", *options: str) -> None:
    (clone / name).write_text(name)
    git("-C", str(clone), "add", "-A")
    git("-C", str(clone), "commit", "-q", "-m", f"Add {name}", *options)


def push(clone: Path, *args: str) -> process.Completed:
    return git("-C", str(clone), "push", "origin", *args, check=False)


def raw(shop: Shop, method: str, target: str, **headers: str) -> tuple[int, str]:
    """Ask with a target that the client library does not tidy up."""
    extensions = {"target": target.encode()}
    answer = shop.client.request(method, shop.base, headers=headers, extensions=extensions)
    return answer.status_code, answer.text
