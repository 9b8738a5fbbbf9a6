"""Committing what changed in a clone's working tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.errors import NothingToCommit
from workflows.core.git.commit_text import (
    CommitIdentity,
    commit_message_for,
    commit_text,
    identity_variables,
)
from workflows.tasks.git.repository import Commit, Repository, current_commit

if TYPE_CHECKING:
    from collections.abc import Sequence


def commit_changes(
    repository: Repository,
    *,
    author: CommitIdentity,
    message: str | None = None,
    co_authors: Sequence[CommitIdentity] = (),
    paths: Sequence[str] | None = None,
) -> Commit:
    """Commit every change of the working tree, or only `paths` (ignored ones too if named).

    Without `message` one is built from the changed files. Co-authors become `Co-authored-by`
    trailers. The author is also the committer.

    Raises:
        NothingToCommit: nothing differs from the current commit.
    """
    if paths is None:
        repository.run("add", "--all")
    else:
        repository.run("--literal-pathspecs", "add", "--all", "--force", "--", *paths)
    listed = repository.run("diff", "--cached", "--name-status", "--no-renames", "-z").stdout
    fields = listed.split("\0")[:-1]
    changes = list(zip(fields[::2], fields[1::2], strict=False))
    if not changes:
        raise NothingToCommit(
            "there is nothing to commit", why="no file differs from the current commit"
        )
    text = commit_text(message or commit_message_for(changes), co_authors)
    repository.git.run(
        *("commit", "--quiet", "--no-verify", "--cleanup=verbatim", "--file=-"),
        cwd=repository.folder,
        stdin=text.encode(),
        env=identity_variables(author),
    )
    return Commit(current_commit(repository), text.splitlines()[0], len(changes))
