"""Branches and commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tasks.git.support import ADA, push_file, write
from workflows.core.errors import (
    BranchNotFound,
    NothingToCommit,
)
from workflows.core.git.commit_text import CommitIdentity, commit_message_for
from workflows.tasks import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Remote
    from workflows.core.config.settings import Settings


def test_a_new_branch_starts_at_the_default_branch(clone: git.Repository) -> None:
    """`create_branch` says False for a branch the remote does not have."""
    assert git.create_branch(clone, "feature/login") is False
    assert clone.run("symbolic-ref", "--short", "HEAD").stdout.strip() == "feature/login"
    assert git.current_commit(clone) == clone.start


def test_a_branch_the_remote_has_is_gone_on_with(
    remote: Remote, clone: git.Repository, settings: Settings, tmp_path: Path
) -> None:
    """A rerun's `create_branch` takes up what the first run pushed, files included."""
    pushed = push_file(clone, "feature", "one.txt")

    again = git.clone_repository(remote.url, tmp_path / "again", settings=settings, checkout=False)

    assert git.create_branch(again, "feature") is True
    assert git.current_commit(again) == pushed
    assert (again.folder / "one.txt").exists()


def test_change_branch_wants_a_branch_that_exists(clone: git.Repository) -> None:
    """`change_branch` to a branch nobody pushed is BranchNotFound and names those there are."""
    with pytest.raises(BranchNotFound, match="main"):
        git.change_branch(clone, "absent")


def test_a_commit_has_author_and_co_authors(clone: git.Repository) -> None:
    """The author is also the committer; co-authors are trailers git understands."""
    write(clone, "a.txt")

    git.commit_changes(
        clone,
        author=ADA,
        message="Add a\n\nWhy not.",
        co_authors=[CommitIdentity("Bob", "b@example.com")],
    )

    shown = clone.run("log", "-1", "--format=%an <%ae>|%cn|%s|%(trailers:only,unfold)").stdout
    assert shown.strip() == (
        "Ada Lovelace <ada@example.com>|Ada Lovelace|Add a|Co-authored-by: Bob <b@example.com>"
    )


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ([("A", "a.txt")], "Add a.txt"),
        ([("M", "a.txt"), ("D", "b.txt")], "Update a.txt and delete b.txt"),
        ([("A", "a"), ("A", "b"), ("A", "c")], "Add 3 files"),
        ([("A", "a"), ("M", "b"), ("D", "c")], "Change 3 files"),
        ([("A", "x" * 90)], "Add 1 file"),
        ([("A", "Closes #4 @all")], "Add Closes ?4 ?all"),
    ],
)
def test_a_message_is_built_from_the_changes(changes: list[tuple[str, str]], subject: str) -> None:
    """One or two files are named, more are counted, and names cannot speak to GitLab."""
    assert commit_message_for(changes).splitlines()[0] == subject


def test_nothing_to_commit_is_said(clone: git.Repository) -> None:
    """A tree without a change is NothingToCommit, and no commit is made."""
    before = git.current_commit(clone)

    with pytest.raises(NothingToCommit):
        git.commit_changes(clone, author=ADA)

    assert git.current_commit(clone) == before


def test_only_the_named_paths_are_committed(clone: git.Repository) -> None:
    """With `paths` other changes stay out, an ignored file that is named goes in."""
    write(clone, ".gitignore", "*.log\n")
    write(clone, "named.log")
    write(clone, "other.txt")

    commit = git.commit_changes(clone, author=ADA, paths=["named.log"])

    assert commit.files == 1
    assert clone.run("show", "--name-only", "--format=").stdout.split() == ["named.log"]


def test_a_path_is_a_name_not_a_pattern(clone: git.Repository) -> None:
    """`*` in `paths` means the file called `*`."""
    write(clone, "*")
    write(clone, "other.txt")

    git.commit_changes(clone, author=ADA, paths=["*"])

    assert clone.run("show", "--name-only", "--format=").stdout.split() == ["*"]
