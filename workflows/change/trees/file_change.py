"""What one file's change between two trees is. Pure; `change.trees.trees` finds them."""

from __future__ import annotations

from dataclasses import dataclass

ABSENT = "000000"
FILE = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"
SUBMODULE = "160000"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs. Modes and ids are git's, as in `git diff-tree --raw`.

    A mode of 000000 means that the path is not there. A renamed file is two changes, one gone
    and one new. Bytes of `path` and `link_target` that are not UTF-8 are U+FFFD. `size_bytes` and
    `old_size_bytes` are None where there is no blob (or, for the old one, none on this disk).
    `is_binary`: a NUL byte in the first 8,000 bytes, or too large to look. `is_known`: the base
    has this very content, at this path or at another that changed. `holds_secret`: a secret of
    this process is in its name or its new content.
    """

    path: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    size_bytes: int | None = None
    old_size_bytes: int | None = None
    is_binary: bool = False
    is_known: bool = False
    link_target: str | None = None
    holds_secret: bool = False

    @property
    def is_new(self) -> bool:
        """Whether the base has nothing at this path."""
        return self.old_mode == ABSENT

    @property
    def is_gone(self) -> bool:
        """Whether the tree has nothing at this path any more."""
        return self.new_mode == ABSENT

    @property
    def status(self) -> str:
        """`A`, `D` or `M`, as `git diff --name-status` has it (a changed type is `M`)."""
        return "A" if self.is_new else "D" if self.is_gone else "M"
