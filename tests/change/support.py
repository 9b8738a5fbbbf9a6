"""What the tests of `change` share: a clone of a made-up project, and changes made by hand."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.change.trees import trees, worktree
from workflows.change.trees.file_change import ABSENT, FILE, FileChange
from workflows.core.config import environment
from workflows.core.config.settings import Settings
from workflows.tasks.git import Repository, clone_repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES: dict[str, str | bytes] = {
    "README.md": "# shop\n",
    "src/main.py": "one\ntwo\nthree\nfour\n",
    "src/run.sh": "#!/bin/sh\n",
    "logo.png": b"\x89PNG\0\1\2",
    ".gitignore": "*.log\nbuild/\n",
}
_ZEROS = "0" * 40
_LIVE = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def run_git(folder: Path, *args: str, stdin: bytes | None = None) -> str:
    """Run git as somebody uses it in a folder, with that folder's configuration and hooks."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        env=environment.for_child(_LIVE.items()),
        input=stdin,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout.decode(errors="surrogateescape").strip()


def write(folder: Path, name: str, content: str | bytes = "text\n") -> Path:
    """Write a file, folders included."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def make_remote(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A repository with these files as one commit on `main` (without any: no commit)."""
    folder.mkdir()
    run_git(folder, "init", "-q", "--template=", "-b", "main")
    run_git(folder, "config", "uploadpack.allowFilter", "true")
    run_git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    for name, content in files.items():
        write(folder, name, content)
    if files:
        commit_all(folder)
    return folder


def commit_all(folder: Path) -> str:
    """Commit what there is."""
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "-q", "-m", "change")
    return run_git(folder, "rev-parse", "HEAD")


def clone(remote: Path, folder: Path) -> Repository:
    """Our clone of it: blobless and without files, as the flows make it."""
    settings = Settings(allow_local_repositories=True)
    return clone_repository(f"file://{remote}", folder, settings=settings, checkout=False)


@dataclass
class Desk:
    """Our clone and the agent's folder, exported from the clone's start commit."""

    repository: Repository
    folder: Path

    @property
    def base(self) -> str | None:
        return self.repository.start

    def git(self, *args: str, stdin: bytes | None = None) -> str:
        """Run git in our clone."""
        return self.repository.run(*args, stdin=stdin).stdout.strip()

    def snapshot(self) -> str:
        return worktree.snapshot_folder(self.repository, self.base, self.folder)

    def changes(self) -> list[FileChange]:
        """What a snapshot has that the base has not."""
        return trees.file_changes(self.repository, self.base, self.snapshot())

    def statuses(self) -> dict[str, str]:
        """Path to `A`, `D` or `M`."""
        return {one.path: one.status for one in self.changes()}

    def base_tree(self) -> str:
        return self.git("rev-parse", f"{self.base}^{{tree}}")


def make_desk(tmp_path: Path, files: Mapping[str, str | bytes]) -> Desk:
    """A desk for a project with these files."""
    repository = clone(make_remote(tmp_path / "remote", files), tmp_path / "clone")
    folder = tmp_path / "work"
    worktree.export_files(repository, repository.start, folder)
    return Desk(repository, folder)


def change(path: str, old: str = ABSENT, new: str = FILE, **more: object) -> FileChange:
    """A change made by hand: by default a new small text file."""
    sizes = {"size_bytes": 10, "old_size_bytes": None if old == ABSENT else 10}
    old_id = _ZEROS if old == ABSENT else "a" * 40
    new_id = _ZEROS if new == ABSENT else "b" * 40
    return FileChange(path, old, new, old_id, new_id, **(sizes | more))  # type: ignore[arg-type]
