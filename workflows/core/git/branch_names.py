"""Which branch names git and GitLab accept. Pure.

Rules: git-check-ref-format(1), what GitLab refuses besides
(https://docs.gitlab.com/user/project/repository/branches/), and invisible characters.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from workflows.core.errors import BranchNameInvalid
from workflows.core.redaction import safely_quoted

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BRANCH_BYTES = 244  # refs/heads/ + name + .lock still fits into one 255-byte file name
_HEX_OBJECT_ID = re.compile(r"[0-9a-f]{40}([-/].*)?|[0-9a-f]{64}", re.IGNORECASE | re.DOTALL)
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}

_BRANCH_RULES: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda n: not n, "it is empty"),
    (lambda n: " " in n, "it contains a space"),
    (
        lambda n: any(unicodedata.category(c) in _INVISIBLE for c in n),
        "it contains an invisible or control character",
    ),
    (
        lambda n: len(n.encode(errors="replace")) > MAX_BRANCH_BYTES,
        f"it is longer than {MAX_BRANCH_BYTES} bytes",
    ),
    (lambda n: n.startswith("-"), "it starts with '-'"),
    (lambda n: re.search(r"[~^:?*\[\\]", n), "it contains one of ~ ^ : ? * [ \\"),
    (lambda n: ".." in n, "it contains '..'"),
    (lambda n: "@{" in n or n == "@", "it contains '@{' or is '@'"),
    (lambda n: n.startswith("/") or n.endswith("/") or "//" in n, "a part between '/' is empty"),
    (lambda n: n.endswith("."), "it ends with '.'"),
    (lambda n: any(p.startswith(".") for p in n.split("/")), "a part starts with '.'"),
    (lambda n: any(p.endswith(".lock") for p in n.split("/")), "a part ends with '.lock'"),
    (lambda n: n == "HEAD", "HEAD is not a branch"),
    (
        lambda n: n.startswith(("refs/heads/", "refs/remotes/", "refs/tags/")),
        "GitLab refuses names that start like a full ref",
    ),
    (_HEX_OBJECT_ID.fullmatch, "GitLab refuses names that look like a commit id"),
)


def check_branch_name(name: str) -> str:
    """Return `name` if git and GitLab accept it as a branch name.

    Raises:
        BranchNameInvalid: it breaks a rule; the first one broken is named.
    """
    for broken, reason in _BRANCH_RULES:
        if broken(name):
            raise BranchNameInvalid(
                f"{safely_quoted(name)} cannot be a branch name",
                why=reason,
                fix="use letters, digits, '-', '_' and '/', such as feature/login",
            )
    return name
