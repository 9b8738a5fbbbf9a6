"""What a path in a tree may mean to a file system, to git and to a reader. Pure.

Which spellings git takes for `.git`: `is_hfs_dotgit` and `is_ntfs_dotgit` in git's own source
(core.protectHFS, core.protectNTFS in git-config(1)); here they are joined and made wider.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import dropwhile
from typing import TYPE_CHECKING

from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
_SHORT_NAME = re.compile(r"git~\d+")
_NOT_IN_NAMES = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SHOWN = 120
_MAYBE_FOLDERS, _FOLDERS = "**/", "…**/"  # what `**/` becomes: none, or any number of them
_STARS = {"*", "**", _MAYBE_FOLDERS}


def plain_name(component: str) -> str:
    """One name without what some file systems ignore: case, invisible characters, an ending.

    HFS+ skips invisible characters; NTFS skips dots and spaces at the end and what follows `:`.
    """
    visible = "".join(c for c in component if unicodedata.category(c) != "Cf")
    return visible.partition(":")[0].rstrip(" .").casefold()


def is_git_name(component: str) -> bool:
    """Whether some file system takes this name for `.git`."""
    if component.isascii() and component[:4].lower() not in {".git", "git~"}:
        return False  # most names, many thousands of them
    name = plain_name(component)
    return name == ".git" or _SHORT_NAME.fullmatch(name) is not None


def has_git_name(path: str) -> bool:
    """Whether a part of the path could be `.git`, or is `.`, `..` or empty."""
    parts = re.split(r"[/\\]", path)
    return any(part in {"", ".", ".."} or is_git_name(part) for part in parts)


def is_odd(path: str) -> bool:
    """Whether the path may be mistaken for another: not UTF-8, control characters, backslash."""
    return any(
        c in _BIDI or c in (UNDECODABLE, "\\") or unicodedata.category(c) in _NOT_IN_NAMES
        for c in path
    )


def link_stays_inside(path: str, target: str | None) -> bool:
    """Whether a symbolic link at `path` leads to a place in the repository, and not to `.git`.

    `..` may only come first: after a name, which may be a link itself, it leads anywhere. An
    unknown target counts as outside.
    """
    if not target or target.startswith("/") or is_odd(target):
        return False
    parts = [part for part in target.split("/") if part not in {"", "."}]
    names = list(dropwhile(lambda part: part == "..", parts))
    ups = len(parts) - len(names)
    return ups <= path.count("/") and not any(p == ".." or is_git_name(p) for p in names)


def matches_glob(path: str, patterns: Iterable[str], *, any_case: bool = False) -> bool:
    """Whether a glob matches the whole path.

    `*` and `?` stay within one name, `**` does not; nothing else has a meaning. A slash in front
    of a pattern is ignored.
    """
    subject = path.casefold() if any_case else path
    return any(
        _fits(subject, *_pattern_pieces(pattern.casefold() if any_case else pattern))
        for pattern in patterns
    )


@lru_cache(maxsize=512)
def _pattern_pieces(pattern: str) -> tuple[str, tuple[str, ...]]:
    """The text before the first wildcard; then each character and wildcard."""
    simple = re.sub(r"(\*\*/)+", "**/", re.sub(r"\*{3,}", "**", pattern.lstrip("/")))
    begin, *rest = re.split(r"(\*\*/|\*\*|\*|\?)", simple)
    pieces: list[str] = []
    for piece in rest:
        if piece == "**/":
            pieces += [_MAYBE_FOLDERS, _FOLDERS]
        else:
            pieces += [piece] if piece in _STARS else piece
    return begin, tuple(pieces)


def _fits(subject: str, begin: str, pieces: tuple[str, ...]) -> bool:
    """Whether the pieces match the whole subject.

    All alternatives are followed at once, because a hostile name may be long: a regular
    expression would try every combination of wildcards.
    """
    if not pieces or not subject.startswith(begin):
        return subject == begin
    done = _skipping({0}, pieces)  # how many pieces may be over
    for character in subject[len(begin) :]:
        after: set[int] = set()
        for at in done:
            if at < len(pieces):
                after |= _after(at, pieces[at], character)
        done = _skipping(after, pieces)
    return len(pieces) in done


def _skipping(done: set[int], pieces: tuple[str, ...]) -> set[int]:
    """With the places that wildcards lead to which match nothing."""
    waiting = list(done)
    while waiting:
        at = waiting.pop()
        if at < len(pieces) and pieces[at] in _STARS:
            further = {at + 1, at + 2} if pieces[at] == _MAYBE_FOLDERS else {at + 1}
            waiting += further - done
            done |= further
    return done


def _after(at: int, piece: str, character: str) -> set[int]:
    """The places that one character leads to."""
    if piece in {"*", "?"}:
        return set() if character == "/" else {at + (piece == "?")}
    if piece in {"**", _FOLDERS}:
        return {at, at + 1} if piece == _FOLDERS and character == "/" else {at}
    return {at + 1} if piece == character else set()


def shown_path(path: str) -> str:
    """A path for people: redacted, shortened, and nothing in it that a terminal acts on."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)
    text = redact(text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
