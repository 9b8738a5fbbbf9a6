"""Which issues a text closes: GitLab's default pattern, on merge requests and commits. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

# Possessive quantifiers keep the time linear for any text.
_WORD = (
    r"\b(?:[Cc]los(?:e[sd]?|ing)|[Ff]ix(?:e[sd]|ing)?|[Rr]esolv(?:e[sd]?|ing)"
    r"|[Ii]mplement(?:s|ed|ing)?)"
)
_SHORT = r"(?:(?<![\w./-])\w[\w./-]*+)?#\d++(?!\w)"
_BETWEEN = r"(?: *+,? *+(?:(?<= )and ++)?)"


class IssueReference(NamedTuple):
    """An issue; `path` is empty for the project that the text is in."""

    path: str
    iid: int


def closing_references(text: str, base_url: str) -> list[IssueReference]:
    """The issues that `text` closes, in its order, each once."""
    url = rf"{re.escape(base_url)}/[\w./-]+?/-/(?:issues|work_items)/\d++"
    one = rf"(?:(?:issues? ++)?(?:{url}|{_SHORT}))"
    pattern = re.compile(rf"{_WORD}:? ++({one}(?:{_BETWEEN}{one})*)")
    each = re.compile(
        rf"{re.escape(base_url)}/(?P<in_url>[\w./-]+?)/-/(?:issues|work_items)/(?P<url_iid>\d+)"
        r"|(?P<path>\w[\w./-]*)?#(?P<iid>\d+)"
    )
    found = [
        IssueReference(
            match["in_url"] or match["path"] or "", int(match["url_iid"] or match["iid"])
        )
        for group in pattern.finditer(text)
        for match in each.finditer(group[1])
    ]
    return list(dict.fromkeys(found))


def issue_of_branch(branch: str) -> int | None:
    """The issue that a branch named `123-…` belongs to."""
    match = re.match(r"(\d+)-", branch, re.ASCII)
    return int(match[1]) if match else None
