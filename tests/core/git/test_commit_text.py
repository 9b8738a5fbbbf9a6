"""The text of commits, and who made them."""

from __future__ import annotations

import pytest

from workflows.core.git.commit_text import (
    CommitIdentity,
    commit_message_for,
    commit_text,
    identity_variables,
)

ADA = CommitIdentity("Ada", "ada@example.com")


def test_author_and_committer_are_the_same_person() -> None:
    assert identity_variables(ADA) == {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
    }
    assert str(ADA) == "Ada <ada@example.com>"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("a", "a\n"),
        ("\n a  \n\n\n\nb\t\n\n\nc\nd\n\n", "a\n\nb\n\nc\nd\n"),
        ("a\n\nb", "a\n\nb\n"),
    ],
)
def test_white_space_is_put_in_order(message: str, text: str) -> None:
    assert commit_text(message) == text


def test_trailers_come_last_after_one_blank_line() -> None:
    text = commit_text("a\n\n", [ADA, CommitIdentity("Bob", "b@example.com")])

    assert text == (
        "a\n\nCo-authored-by: Ada <ada@example.com>\nCo-authored-by: Bob <b@example.com>\n"
    )


def listed(count: int) -> str:
    return "\n".join(f"- Add {number}" for number in range(count))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("A", "x")], "Add x"),
        ([("M", "x"), ("D", "y")], "Update x and delete y"),
        ([("A", "x" * 68)], "Add " + "x" * 68),
        ([("A", "x" * 69)], "Add 1 file\n\n- Add " + "x" * 69),
        ([("D", "#1!@:é")], "Delete ?1???é"),
        ([("A", "a"), ("M", "b"), ("D", "c")], "Change 3 files\n\n- Add a\n- Update b\n- Delete c"),
        ([("A", str(n)) for n in range(3)], "Add 3 files\n\n" + listed(3)),
        ([("A", str(n)) for n in range(20)], "Add 20 files\n\n" + listed(20)),
        ([("A", str(n)) for n in range(22)], f"Add 22 files\n\n{listed(20)}\n- and 2 more"),
    ],
)
def test_a_message_is_made_of_the_changes(changes: list[tuple[str, str]], message: str) -> None:
    assert commit_message_for(changes) == message
