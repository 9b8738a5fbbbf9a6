"""What git's words are taken for, without a git."""

from __future__ import annotations

import pytest

from workflows.core.errors import BranchNotFound, ProcessFailed, RepositoryNotFound, WorkflowsError
from workflows.core.git.command import Git
from workflows.core.git.urls import GitUrl
from workflows.core.process import Completed


def failure(stderr: str) -> WorkflowsError:
    git = Git(GitUrl.parse("https://gitlab.example.com/acme/shop.git"), timeout_s=1)
    return git.failure(Completed(("git", "fetch"), 128, "", stderr, 0.1, truncated=False))


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("fatal: repository 'https://x/y' not found", RepositoryNotFound),
        ("a\nfatal: a repository x repository 'y' does not exist\nb", RepositoryNotFound),
        ("fatal: Remote branch x not found in upstream origin", BranchNotFound),
        ("fatal: repository 'x'\nnot found", ProcessFailed),
    ],
)
def test_a_failure_is_known_by_one_line(stderr: str, kind: type[WorkflowsError]) -> None:
    assert type(failure(stderr)) is kind


@pytest.mark.parametrize("words", ["repository '", "Remote branch ", "repository"])
def test_a_long_line_of_a_server_is_read(words: str) -> None:
    """In quadratic time it would take half an hour."""
    assert type(failure(words * (1_000_000 // len(words)))) is ProcessFailed
