"""What the tests of the git steps share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.git.commit_text import CommitIdentity
from workflows.tasks import git

if TYPE_CHECKING:
    from workflows.core.config.settings import Settings


ADA = CommitIdentity("Ada Lovelace", "ada@example.com")


def write(repository: git.Repository, name: str, text: str = "text\n") -> None:
    """Write a file in the clone, folders included."""
    path = repository.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def push_file(repository: git.Repository, branch: str, name: str, text: str = "text\n") -> str:
    """Write, commit and push one file; the remote's commit id."""
    git.create_branch(repository, branch)
    write(repository, name, text)
    git.commit_changes(repository, author=ADA)
    return git.push_changes(repository, branch)


def secret_like(settings: Settings, token: str | None) -> object:
    """A settings value of the same kind as `git_token`."""
    assert settings.git_token is not None
    return type(settings.git_token)(token) if token else None
