"""Moves files of a clone that would configure PlusCoder away for a run, and back afterwards."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.process.deferred_signals import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

# A cloned repository's settings (test_command is a shell command), its variables, and a search
# index that is unpickled: any of them would run what the repository says.
OBEYED = (".env", ".pluscoder-config.yml", ".pluscoder", "pluscoder.log")
LEFT_BEHIND = (".pluscoder", "pluscoder.log")  # what PlusCoder itself leaves in the folder


@contextmanager
def without_clone_settings(folder: Path, left_behind: Path) -> Iterator[None]:
    """Have none of `OBEYED` in `folder` inside the block, and each as it was after it.

    They are renamed into a folder next to it, so that they come back unchanged, links included.
    What the block leaves under such a name goes to the folder `left_behind`; only an `.env` or
    settings file that was not there before is work like any other and stays.
    """
    aside = Path(tempfile.mkdtemp(prefix=".set-aside-", dir=folder.parent))
    try:
        for name in OBEYED:
            with suppress(FileNotFoundError):
                (folder / name).rename(aside / name)
        yield
    finally:
        with deferred_signals():
            for name in OBEYED:
                _put_back(folder / name, aside / name, left_behind)
            aside.rmdir()


def _put_back(place: Path, original: Path, left_behind: Path) -> None:
    was_there = _exists(original)
    if _exists(place) and (was_there or place.name in LEFT_BEHIND):
        left_behind.mkdir(parents=True, exist_ok=True)
        shutil.move(place, Path(tempfile.mkdtemp(dir=left_behind)) / place.name)
    if was_there:
        original.rename(place)


def _exists(path: Path) -> bool:
    """Whether anything has this name, a link to nowhere too."""
    return path.is_symlink() or path.exists()
