"""The message of a commit and its author. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUBJECT_WIDTH = 72
_LISTED_FILES = 20


@dataclass(frozen=True, slots=True)
class CommitIdentity:
    """A name and e-mail for a commit, without characters git's ident format cannot hold."""

    name: str
    email: str

    def __str__(self) -> str:
        """`Ada Lovelace <ada@example.com>`."""
        return f"{self.name} <{self.email}>"


def identity_variables(author: CommitIdentity) -> dict[str, str]:
    """The variables that make `author` the author and committer of what git writes."""
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", author.name), ("EMAIL", author.email))
    }


def commit_text(message: str, co_authors: Sequence[CommitIdentity] = ()) -> str:
    """The text of a commit: `message` with its white space in order, then the trailers.

    As `git stripspace` does it: no blanks at line ends, no two blank lines, one line end.
    """
    lines = [line.rstrip() for line in message.strip().split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    if co_authors:
        text += "\n\n" + "\n".join(f"Co-authored-by: {person}" for person in co_authors)
    return text + "\n"


def commit_message_for(changes: Sequence[tuple[str, str]]) -> str:
    """A commit message from (status letter, path) pairs, such as ("A", "hello.md").

    One or two files are named in the subject; more are counted there and listed below it.
    Characters with a meaning to GitLab (`#`, `!`, `@`, `:`) are taken out of the names, so that
    a file name can neither close an issue nor mention a user.
    """
    verbs = {"A": "Add", "D": "Delete"}
    said = [f"{verbs.get(status, 'Update')} {_plain(path)}" for status, path in changes]
    subject = " and ".join([said[0], *(s[0].lower() + s[1:] for s in said[1:])])
    if len(said) <= 2 and len(subject) <= _SUBJECT_WIDTH:  # noqa: PLR2004 - "a and b"
        return subject
    noun = "1 file" if len(said) == 1 else f"{len(said)} files"
    kinds = {verbs.get(status, "Update") for status, _ in changes}
    lines = [f"- {line}" for line in said[:_LISTED_FILES]]
    if len(said) > _LISTED_FILES:
        lines.append(f"- and {len(said) - _LISTED_FILES} more")
    verb = kinds.pop() if len(kinds) == 1 else "Change"
    return f"{verb} {noun}\n\n" + "\n".join(lines)


def _plain(path: str) -> str:
    return re.sub(r"[^\w./+ -]", "?", path)
