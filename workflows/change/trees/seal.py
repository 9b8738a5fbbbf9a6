"""Finds out whether untrusted code wrote into our clone while it ran under our user id.

Such code may leave its folder and write a hook, a filter or an object into the clone. Any
difference is refused, whatever it is.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflows.core.errors import ChangeRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workflows.tasks.git import Repository

_NAMED = 5


@contextmanager
def guard_clone(repository: Repository) -> Iterator[None]:
    """Run a block that must not change the clone, and raise if the clone was changed.

    The clone is also checked when the block fails, because it may be used again.

    Raises:
        ChangeRefused: a file of the clone is not what it was.
    """
    before = seal_clone(repository)
    try:
        yield
    except Exception:
        verify_seal(repository, before)
        raise
    verify_seal(repository, before)


def seal_clone(repository: Repository) -> dict[str, str]:
    """What identifies each file of the clone now, by path.

    The contents where they steer git (all of `.git` but the objects); elsewhere inode, size,
    mode and both times, of which nobody but root can set the second.
    """
    root = repository.folder
    objects = str(root / ".git" / "objects")
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        in_git = (folder + "/").startswith(f"{root / '.git'}/")
        hashed = in_git and not (folder + "/").startswith(objects + "/")
        for name in (*files, *folders):
            path = os.path.join(folder, name)  # noqa: PTH118 - many thousands of them
            try:
                state = os.lstat(path)
                if not stat.S_ISDIR(state.st_mode):
                    found[path] = _content(path, state) if hashed else _identity(state)
            except OSError as error:
                found[path] = f"cannot be read: {error.strerror}"
    return found


def verify_seal(repository: Repository, before: Mapping[str, str]) -> None:
    """Compare the clone with what `seal_clone` returned.

    Raises:
        ChangeRefused: they differ, or the clone is gone; the first few differences are named.
    """
    after = seal_clone(repository)
    changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    if changed:
        prefix = f"{repository.folder}/"
        named = ", ".join(ascii(path.removeprefix(prefix)) for path in changed[:_NAMED])
        raise ChangeRefused(
            "our clone was changed while the agent ran",
            why=f"not as they were: {named}" + (", …" if len(changed) > _NAMED else ""),
            fix="set WORKFLOWS_SANDBOX=bubblewrap, so that an agent cannot leave its folder",
        )


def _identity(state: os.stat_result) -> str:
    times = (state.st_mtime_ns, state.st_ctime_ns)
    return repr((state.st_mode, state.st_ino, state.st_size, *times))


def _content(path: str, state: os.stat_result) -> str:
    """Mode and content of a file or link; of a file that cannot just be read, its identity."""
    if stat.S_ISLNK(state.st_mode):
        return f"{state.st_mode:o} {os.readlink(path)}"  # noqa: PTH115 - as above
    if not stat.S_ISREG(state.st_mode):
        return _identity(state)
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return f"{state.st_mode:o} {hashlib.file_digest(file, 'sha256').hexdigest()}"
