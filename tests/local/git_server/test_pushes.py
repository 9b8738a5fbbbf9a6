"""Pushes to the embedded git server: streamed, declined, allowed; and another owner."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.local.git_server.support import PUSH, Shop, commit, git, push
from workflows.local.git_server.http import GitHttp, create_bare
from workflows.local.git_server.rules import Access, GitRefusal, RefChange, Service
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from pathlib import Path


def test_big_push_is_streamed(shop: Shop) -> None:
    """60 MB pushed and cloned back arrive whole and never sit in the server's memory."""
    clone = shop.clone()
    with (clone / "big.bin").open("wb") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    git("-C", str(clone), "config", "core.compression", "0")
    commit(clone)
    tracemalloc.start()

    pushed = push(clone, "HEAD:big")
    again = shop.clone("tok-20", "--bare")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert pushed.exit_code == 0, pushed.stderr
    sent, received = (
        git("-C", str(folder), "rev-parse", f"{branch}:big.bin").stdout
        for folder, branch in ((clone, "main"), (again, "big"))
    )
    assert sent == received
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("token", "refspec", "text"),
    [
        pytest.param(
            "tok-30",
            "HEAD:main",
            "You are not allowed to push code to protected branches on this project.",
            id="protected",
        ),
        pytest.param(
            "tok-40",
            "+rewritten:main",
            "You are not allowed to force push code to a protected branch on this project.",
            id="forced-by-maintainer",
        ),
        pytest.param(
            "tok-30",
            "+rewritten:main",
            "You are not allowed to force push code to a protected branch on this project.",
            id="forced-comes-first",
        ),
        pytest.param(
            "tok-40", ":main", "The default branch of a project cannot be deleted.", id="default"
        ),
        pytest.param(
            "tok-40",
            ":release/1/x",
            "You can only delete protected branches using the web interface.",
            id="delete-protected",
        ),
        pytest.param(
            "tok-30",
            ":release/1/x",
            "You are not allowed to delete protected branches from this project. Only a project "
            "maintainer or owner can delete a protected branch.",
            id="delete-protected-developer",
        ),
        pytest.param(
            "tok-30",
            "HEAD:refs/heads/release/2",
            "You are not allowed to create protected branches on this project.",
            id="create-protected",
        ),
        *(
            pytest.param(
                "tok-40",
                f"HEAD:refs/heads/{'aB3d' * 10}{tail}",
                "You cannot create a branch with a 40-character hexadecimal branch name.",
                id=f"hex{tail}",
            )
            for tail in ("", "-fix", "/fix")
        ),
    ],
)
def test_declined_push(shop: Shop, token: str, refspec: str, text: str) -> None:
    """A push against the rules is declined in GitLab's words and changes nothing."""
    repository = shop.server.root / f"{shop.path}.git"
    git(f"--git-dir={repository}", "branch", "release/1/x")
    shop.server.protect(shop.path, "release/*")
    shop.server.protect(shop.path, "[?*")  # cannot match any branch
    clone, before = shop.clone(token), shop.refs()
    git("-C", str(clone), "checkout", "-q", "--orphan", "rewritten")
    commit(clone, "other.txt")
    git("-C", str(clone), "checkout", "-q", "main")
    commit(clone)

    pushed = push(clone, refspec)

    assert pushed.exit_code == 1
    assert f"remote: GitLab: {text}" in [line.rstrip() for line in pushed.stderr.splitlines()]
    assert "(pre-receive hook declined)" in pushed.stderr
    assert shop.refs() == before


def test_one_bad_ref_declines_all(shop: Shop) -> None:
    """One forbidden branch in a push keeps the allowed ones out too."""
    clone, before = shop.clone("tok-30"), shop.refs()
    commit(clone)

    pushed = push(clone, "HEAD:fine", "HEAD:main")

    assert pushed.stderr.count("(pre-receive hook declined)") == 2
    assert shop.refs() == before


def test_developer_owns_unprotected_branches(shop: Shop) -> None:
    """A developer creates, rewrites and deletes branches and tags that nobody protects."""
    clone = shop.clone("tok-30")
    commit(clone)
    steps = [push(clone, "HEAD:fix/a", "HEAD:refs/tags/v1")]
    commit(clone, "new.txt", "--amend", "--message=Other")
    refused = push(clone, "HEAD:fix/a")
    steps += [push(clone, "+HEAD:fix/a"), push(clone, ":fix/a", "-o", "ci.skip")]

    assert "[rejected]" in refused.stderr
    assert "(pre-receive hook declined)" not in refused.stderr
    assert [step.exit_code for step in steps] == [0, 0, 0]
    assert set(shop.refs()) == {"refs/heads/main", "refs/tags/v1"}


def test_first_push(shop: Shop) -> None:
    """Into an empty project only maintainers push the default branch, which is protected."""
    empty = shop.other(f"{shop.path}-empty", files={}, default_branch="trunk")
    developer, maintainer = empty.clone("tok-30"), empty.clone("tok-40")
    commit(developer)
    commit(maintainer)

    declined, accepted = push(developer, "HEAD:trunk"), push(maintainer, "HEAD:trunk")

    assert "GitLab: You are not allowed to push code to protected branches" in declined.stderr
    assert accepted.exit_code == 0
    assert "merge request" not in accepted.stderr


def test_push_rule(shop: Shop) -> None:
    """A push rule declines every push with its own text, line by line, until it is lifted."""
    clone = shop.clone()
    shop.server.set_push_rule(shop.path, "Commit message '%s\\n' is\nnot good")
    declined = push(clone, "HEAD:a")
    shop.server.set_push_rule(shop.path, None)

    lines = [line.rstrip() for line in declined.stderr.splitlines()]
    assert "remote: GitLab: Commit message '%s\\n' is" in lines
    assert "remote: GitLab: not good" in lines
    assert push(clone, "HEAD:a").exit_code == 0


def test_merge_request_hint(shop: Shop) -> None:
    """The first push of a branch says where to ask for a merge; the next one does not."""
    clone = shop.clone("tok-30")
    first = push(clone, "HEAD:fix/ü+1")
    commit(clone)
    second = push(clone, "HEAD:fix/ü+1")

    query = "merge_request%5Bsource_branch%5D=fix%2F%C3%BC%2B1"
    lines = [line.rstrip() for line in first.stderr.splitlines()]
    assert "remote: To create a merge request for fix/ü+1, visit:" in lines
    assert f"remote:   {shop.web_url}/-/merge_requests/new?{query}" in lines
    assert second.exit_code == 0
    assert "merge request" not in second.stderr


@dataclass
class OneRepository:
    """A backend with one public repository that writes down what is pushed to it."""

    repository: Path
    pushed: list[list[RefChange]]

    def identify(self, user: str, token: str) -> str | None:
        return user if token == "t" else None

    def authorise(self, path: str, user: str | None, service: Service) -> Access | GitRefusal:
        if path != "the/one" or (service == PUSH and user is None):
            return GitRefusal(422, "no")
        return Access(self.repository, on_push=self.pushed.append)


def test_mounted_elsewhere(tmp_path: Path) -> None:
    """Under a prefix and with a backend of its own it works alike, and tells of each push."""
    backend = OneRepository(tmp_path / "one.git", [])
    create_bare(backend.repository, files={"a": "a"})
    app = Starlette(routes=[Mount("/my git", GitHttp(backend, hooks=tmp_path / "hooks"))])
    with serve_app(app) as base:
        url = f"{base.replace('//', '//me:t@')}/my%20git/the/one"
        git("clone", "-q", url, str(tmp_path / "c"))
        head = git("-C", str(tmp_path / "c"), "rev-parse", "HEAD").stdout.strip()
        pushed = push(tmp_path / "c", "HEAD:b")
        told = list(backend.pushed)
        refused = git("ls-remote", f"{base.replace('//', '//me:t@')}/my%20git/no.git", check=False)

    assert f"{base}/my%20git/the/one/-/merge_requests/new" in pushed.stderr
    assert told == [[RefChange("0" * 40, head, "refs/heads/b")]]
    assert "422" in refused.stderr
