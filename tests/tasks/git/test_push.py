"""Pushes: repeated, refused, with a lease, cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import DEVELOPER_TOKEN, PROJECT, REPORTER_TOKEN, Remote
from tests.tasks.git.support import ADA, push_file, secret_like, write
from workflows.core.config.settings import load
from workflows.core.errors import (
    AccessDenied,
    BranchRefused,
    NetworkError,
    PushHookDeclined,
    PushNotFastForward,
    PushProtectedBranch,
    PushRejected,
)
from workflows.tasks import git

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.config.settings import Settings


def test_push_returns_the_remotes_commit_and_may_be_repeated(
    remote: Remote, clone: git.Repository
) -> None:
    """The returned id is what the server has; pushing again returns it again."""
    first = push_file(clone, "feature", "a.txt")

    assert remote.branches()["feature"] == first
    assert git.push_changes(clone, "feature") == first


def test_push_options_reach_the_server_as_they_are(remote: Remote, clone: git.Repository) -> None:
    """Also ones that a shell, or git, might take for something else."""
    options = ["ci.skip", "ci.variable=A=$(id) 'b' \"c\" ü", "--force"]
    git.create_branch(clone, "feature")
    write(clone, "a.txt")
    git.commit_changes(clone, author=ADA)

    git.push_changes(clone, "feature", options=options)
    git.create_branch(clone, "plain")
    git.push_changes(clone, "plain")

    assert [change.options for change in remote.server.pushed] == [tuple(options), ()]


def test_a_push_over_other_commits_is_refused(
    remote: Remote, clone: git.Repository, settings: Settings, tmp_path: Path
) -> None:
    """A branch that moved on the remote is PushNotFastForward, and stays as it was."""
    other = git.clone_repository(remote.url, tmp_path / "other", settings=settings)
    theirs = push_file(other, "feature", "theirs.txt")

    with pytest.raises(PushNotFastForward):
        push_file(clone, "feature", "ours.txt")

    assert remote.branches()["feature"] == theirs


def test_a_lease_overwrites_only_what_we_saw(
    remote: Remote, clone: git.Repository, settings: Settings, tmp_path: Path
) -> None:
    """`force_with_lease` replaces the commit it names and refuses any other."""
    first = push_file(clone, "feature", "a.txt")
    other = git.clone_repository(remote.url, tmp_path / "other", settings=settings)
    ours = _orphan(other)

    with pytest.raises(PushNotFastForward):
        git.push_changes(other, "feature", force_with_lease="1" * 40)
    assert remote.branches()["feature"] == first

    assert git.push_changes(other, "feature", force_with_lease=first) == ours
    assert remote.branches()["feature"] == ours


def test_a_protected_branch_is_refused_by_name(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A Developer's push to a protected branch is PushProtectedBranch with GitLab's words."""
    developer = load(git_token=secret_like(settings, DEVELOPER_TOKEN))
    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=developer)
    before = remote.branches()

    with pytest.raises(PushProtectedBranch, match="not allowed to push code to protected"):
        push_file(clone, "main", "a.txt")

    assert remote.branches() == before


def test_a_hooks_words_are_in_the_error(remote: Remote, clone: git.Repository) -> None:
    """A push rule's text is the error's reason."""
    remote.server.set_push_rule(PROJECT, "Commit message does not follow the pattern 'ABC-'")

    with pytest.raises(PushHookDeclined, match="does not follow the pattern 'ABC-'"):
        push_file(clone, "feature", "a.txt")


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
def test_a_branch_in_the_way_of_a_folder_is_refused(
    remote: Remote,
    clone: git.Repository,
    settings: Settings,
    tmp_path: Path,
    first: str,
    second: str,
) -> None:
    """`a` and `a/b` cannot both exist: said before anything is done, or by the server."""
    other = git.clone_repository(remote.url, tmp_path / "other", settings=settings)
    push_file(other, first, "a.txt")
    fresh = git.clone_repository(remote.url, tmp_path / "fresh", settings=settings)

    with pytest.raises(BranchRefused):
        git.create_branch(fresh, second)
    with pytest.raises(PushRejected) as caught:
        push_file(clone, second, "b.txt")

    assert not caught.value.retryable


def test_a_reporter_may_clone_but_not_push(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A role that may only read is AccessDenied when it pushes."""
    reporter = load(git_token=secret_like(settings, REPORTER_TOKEN))
    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=reporter)

    with pytest.raises(AccessDenied):
        push_file(clone, "feature", "a.txt")


def test_a_push_cut_off_is_a_network_error(remote: Remote, clone: git.Repository) -> None:
    """A connection that breaks while pushing is transient."""
    git.create_branch(clone, "feature")
    write(clone, "a.txt")
    git.commit_changes(clone, author=ADA)
    remote.server.faults.drop_next = 5

    with pytest.raises(NetworkError):
        git.push_changes(clone, "feature")


def _orphan(repository: git.Repository) -> str:
    """Make a commit without parents the current one and return its id."""
    repository.run("checkout", "--quiet", "--orphan", "fresh")
    (repository.folder / "fresh.txt").write_text("fresh\n")
    git.commit_changes(repository, author=ADA)
    return git.current_commit(repository)
