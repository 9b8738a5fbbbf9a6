"""A clone of ours and a commit in it: what the git steps hand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workflows.core.git.command import Git
    from workflows.core.process import Completed


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone and what its remote looked like when it was made.

    `remote_branches` maps branch name to commit id. `default_branch` is the one the remote names,
    also where it has no commit yet; None where it names none. `start` is the commit new branches
    start at, None in an empty repository.
    """

    folder: Path
    git: Git
    default_branch: str | None
    remote_branches: Mapping[str, str]
    start: str | None

    def run(self, *args: str, check: bool = True, stdin: bytes | None = None) -> Completed:
        """Run git in the clone; errors as `Git.run`."""
        return self.git.run(*args, cwd=self.folder, check=check, stdin=stdin)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit made here: its id (40 hex digits), first line, and number of changed files."""

    id: str
    subject: str
    files: int


def current_commit(repository: Repository) -> str:
    """The id of the current commit (40 or 64 hex digits)."""
    return repository.run("rev-parse", "--verify", "HEAD^{commit}").stdout.strip()
