"""What git refuses or is kept from, and how that is called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support import TOKEN, Remote
from tests.tasks.git.support import secret_like
from workflows.core.config.settings import load
from workflows.core.errors import (
    AuthenticationFailed,
    BranchNameInvalid,
    BranchNotFound,
    NetworkError,
    ProcessFailed,
    RemoteUnavailable,
    RepositoryNotFound,
    TimeoutExceeded,
    UrlRefused,
    WorkflowsError,
)
from workflows.local.git_server.http import create_bare
from workflows.tasks import git

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.config.settings import Settings


@pytest.mark.parametrize(
    ("url", "token", "error"),
    [
        ("{base}/acme/shop.git", "glpat-wrong-token-0000", AuthenticationFailed),
        ("{base}/acme/shop.git", None, AuthenticationFailed),
        ("{base}/acme/absent.git", TOKEN, RepositoryNotFound),
    ],
)
def test_clone_failures_have_names(
    remote: Remote,
    settings: Settings,
    tmp_path: Path,
    url: str,
    token: str | None,
    error: type[WorkflowsError],
) -> None:
    """A wrong token, a missing token and an absent repository are three typed errors."""
    changed = load(git_token=secret_like(settings, token))

    with pytest.raises(error) as caught:
        git.clone_repository(url.format(base=remote.base_url), tmp_path / "clone", settings=changed)

    assert caught.value.fix
    assert not caught.value.retryable


def test_a_missing_source_branch_is_named(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """Cloning a branch that is not there is BranchNotFound."""
    with pytest.raises(BranchNotFound):
        git.clone_repository(
            remote.url, tmp_path / "clone", settings=settings, source_branch="absent"
        )


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, RemoteUnavailable), (429, RemoteUnavailable), (502, RemoteUnavailable)],
)
def test_a_gateway_error_may_pass(
    remote: Remote, settings: Settings, tmp_path: Path, status: int, error: type[WorkflowsError]
) -> None:
    """5xx and 429 are transient: worth another try."""
    remote.server.faults.fail_next = [status] * 5

    with pytest.raises(error) as caught:
        git.clone_repository(remote.url, tmp_path / "clone", settings=settings)

    assert caught.value.retryable


def test_nobody_listening_is_a_network_error(settings: Settings, tmp_path: Path) -> None:
    """A refused connection is transient and names the host."""
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:1"):
        git.clone_repository("http://127.0.0.1:1/a/b.git", tmp_path / "clone", settings=settings)


def test_a_silent_server_is_a_timeout(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """A remote that does not answer ends after GIT_TIMEOUT_S, transient."""
    remote.server.faults.latency_s = 30
    hasty = settings.changed(git_timeout_s=0.5)
    started = time.monotonic()

    with pytest.raises(TimeoutExceeded):
        git.clone_repository(remote.url, tmp_path / "clone", settings=hasty)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "fd::3", "--upload-pack=id", "file:///etc", "/etc", "../x", "git://h/x"],
)
def test_dangerous_urls_never_reach_git(settings: Settings, tmp_path: Path, url: str) -> None:
    """Transports that run programs, options and local paths are refused before git starts."""
    with pytest.raises(UrlRefused):
        git.clone_repository(url, tmp_path / "clone", settings=settings)


def test_local_repositories_need_the_setting(settings: Settings, tmp_path: Path) -> None:
    """A path works only where WORKFLOWS_ALLOW_LOCAL_REPOSITORIES says so."""
    create_bare(tmp_path / "bare.git", files={"a.txt": "a\n"})
    allowed = settings.changed(allow_local_repositories=True)

    clone = git.clone_repository(str(tmp_path / "bare.git"), tmp_path / "clone", settings=allowed)

    assert clone.default_branch == "main"
    with pytest.raises(UrlRefused):
        git.clone_repository(str(tmp_path / "bare.git"), tmp_path / "again", settings=settings)


def test_git_itself_refuses_other_transports(remote: Remote, clone: git.Repository) -> None:
    """Even a URL that reaches git by another way cannot use ext:: or local files."""
    for url in ("ext::sh -c true", f"file://{remote.folder}"):
        with pytest.raises(ProcessFailed, match=r"not allowed|exit code"):
            clone.run("fetch", url)


def test_a_branch_name_git_refuses_is_refused_at_the_door(clone: git.Repository) -> None:
    """No step takes a branch name that git or GitLab would refuse."""
    for call in (git.create_branch, git.change_branch, git.push_changes):
        with pytest.raises(BranchNameInvalid):
            call(clone, "a..b")
