"""Writes a commit's files into the folder of an untrusted agent, and reads it back as a tree.

The folder has a `.git` of its own for the agent: no remote, no credential, nothing shared with our
clone. We never run git with it. To read the folder, git runs in our clone with the folder as its
working tree, without credential and network. No hook, filter or other command that the folder names
can run, because git finds commands in configuration and ours has none. `_survey` looks first for
files that could still make git wait or fail.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.change.trees import paths, trees
from workflows.change.trees.file_change import SUBMODULE
from workflows.change.trees.trees import git_folder, run_offline
from workflows.core.errors import ChangeRefused, ProcessFailed
from workflows.core.git.command import readable_stderr
from workflows.core.observability import logger
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.process import Completed
    from workflows.tasks.git import Repository

_log = logger("change")
_BRANCH = "refs/heads/work"
_SHA256_DIGITS = 64
_READ_BY_GIT = {".gitattributes", ".gitignore", ".gitmodules"}
_MOST_GIT_FILE_BYTES = 10_000_000
_HUGE_BYTES = 256 * 1024 * 1024
_MOST_EXCEPTIONS = 200
_FIX = "run it again; if it comes back, see the agent's log for what made this"


def export_files(repository: Repository, commit: str | None, into: Path) -> None:
    """Write a commit's files to the new folder `into`, which is a git repository of its own.

    There HEAD is that very commit (a full id), without its history, on the branch `work`, and
    nothing is changed. With `commit=None` the folder is empty and so is the repository. Contents
    that our clone lacks are fetched, all at once. On failure nothing is left.

    Raises:
        FileExistsError: there is such a folder.
        NetworkError, RemoteUnavailable, TimeoutExceeded, …: as `Git.run`, while fetching.
    """
    into.mkdir()
    try:
        if commit is None:
            _write_skeleton(repository, None, into)
            return
        index = _index_of(repository, commit, into)
        index.parent.mkdir(exist_ok=True)
        index.unlink(missing_ok=True)  # of an earlier folder of this name
        # `read-tree -u` checks out with one process, in parallel, and fetches in one batch
        repository.git.run(
            *("-c", "core.sparseCheckout=false", "read-tree", "-m", "-u", commit),
            cwd=into,
            env=_reading(repository, into) | {"GIT_INDEX_FILE": str(index)},
        )
        packs = _write_skeleton(repository, commit, into)
        run_offline(
            repository,
            # deltas that there are go along, new ones are not looked for
            *("pack-objects", "-q", "--revs", "--window=0", str(packs / "pack")),
            stdin=f"--shallow {commit}\n{commit}\n".encode(),
        )
        shutil.copy2(index, into / ".git" / "index")
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def snapshot_folder(repository: Repository, base: str | None, folder: Path) -> str:
    """The id of the tree that `folder` holds now, as `git add --all` on top of `base` makes it.

    Ignored files stay out, other repositories inside become submodules, FIFOs, sockets and
    devices are passed over. Submodules that `base` has, once filled in, and files of more than
    256 MiB stay as `base` has them; a warning names them. Fast where `export_files` wrote the
    folder; run again, it gives the same tree.

    Raises:
        ChangeRefused: git cannot read it all, or cannot have such a name; or the folder itself
            is not what it was.
    """
    exceptions = _exceptions(repository, base, _survey(folder))
    with trees.temporary_index(repository) as env:
        env.update(_reading(repository, folder))
        saved = _index_of(repository, base, folder) if base else None
        if saved and saved.exists():
            # with its time, by which git knows what changed within the same second
            shutil.copy2(saved, env["GIT_INDEX_FILE"])
        elif base:
            run_offline(repository, "read-tree", base, env=env)
        pathspec = ["--", ".", *(f":(top,exclude,literal){path}" for path in exceptions)]
        done = run_offline(
            repository,
            *("add", "--all", *(pathspec if exceptions else [])),
            env=env,
            cwd=folder,
            check=False,
        )
        if done.exit_code:
            raise _unreadable(done)
        return trees.write_tree(repository, env)


def _reading(repository: Repository, folder: Path) -> dict[str, str]:
    return {
        "GIT_DIR": str(git_folder(repository)),
        "GIT_WORK_TREE": str(folder.absolute()),
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def _index_of(repository: Repository, commit: str, folder: Path) -> Path:
    """Where our clone keeps the index of an exported folder: the folder's own may be forged."""
    key = hashlib.sha256(f"{commit}\0{folder.absolute()}".encode(errors="surrogateescape"))
    return git_folder(repository) / "exported" / key.hexdigest()[:32]


def _write_skeleton(repository: Repository, commit: str | None, into: Path) -> Path:
    """What `git init` would make, without a process; the folder for packs."""
    git = into / ".git"
    packs = git / "objects" / "pack"
    for folder in (packs, git / "objects" / "info", git / "refs" / "heads", git / "refs" / "tags"):
        folder.mkdir(parents=True)
    is_sha256 = commit is not None and len(commit) == _SHA256_DIGITS
    ours = (git_folder(repository) / "config").read_text(encoding="utf-8", errors="replace")
    # what git found out about this file system when it cloned
    probed = r"^\s*(?:filemode|ignorecase|precomposeunicode|symlinks) = \w+$"
    lines = [
        "[core]",
        *re.findall(probed, ours, re.MULTILINE),
        "\tbare = false",
        "\tlogallrefupdates = true",
    ]
    lines += [f"\trepositoryformatversion = {int(is_sha256)}"]
    lines += ["[extensions]", "\tobjectformat = sha256"] if is_sha256 else []
    lines += ["[user]", "\tname = agent", "\temail = agent@localhost"]
    (git / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (git / "HEAD").write_text(f"ref: {_BRANCH}\n", encoding="ascii")
    if commit is not None:
        (git / _BRANCH).write_text(commit + "\n", encoding="ascii")
        (git / "shallow").write_text(commit + "\n", encoding="ascii")
    return packs


@dataclass(slots=True)
class _Survey:
    """Paths in a folder, relative to it: files too large to read, folders with a `.git`."""

    huge: list[str] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)


def _survey(folder: Path) -> _Survey:
    """Look at every name in the folder before git does; nothing is opened, no link followed.

    Raises:
        ChangeRefused: a folder cannot be read, or a file that git reads for itself would make it
            wait for ever (a FIFO named `.gitignore`).
    """
    if folder.is_symlink() or not folder.is_dir():
        raise _refused("the agent's folder is gone, or is a link now", str(folder))
    survey = _Survey()
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, inside)) as entries:  # noqa: PTH118 - fast
                waiting += [
                    f"{inside}{entry.name}/"
                    for entry in entries
                    if _note(survey, entry, inside + entry.name)
                ]
        except OSError as error:
            what = f"a folder of the agent cannot be read: {error.strerror}"
            raise _refused(what, inside.rstrip("/")) from error
    return survey


def _note(survey: _Survey, entry: os.DirEntry[str], path: str) -> bool:
    """Note what is special about one entry; True for a folder to go into."""
    if entry.name == ".git" or paths.is_git_name(entry.name):
        survey.repositories.append(path[: -len(entry.name)].rstrip("/"))
    if entry.name == ".git":
        return False
    if entry.is_dir(follow_symlinks=False):
        return True
    if entry.is_file(follow_symlinks=False):
        size = entry.stat(follow_symlinks=False).st_size
        if size > _HUGE_BYTES:
            survey.huge.append(path)
        ordinary = size <= _MOST_GIT_FILE_BYTES
    else:
        ordinary = entry.is_symlink()  # which git does not follow here
    if not ordinary and entry.name.casefold() in _READ_BY_GIT:
        raise _refused("a file that git reads is special, or much too large", path)
    return False


def _exceptions(repository: Repository, base: str | None, survey: _Survey) -> list[str]:
    """The paths that must not be added: huge files and submodules that have been filled in."""
    found = survey.huge + _filled_submodules(repository, base, survey)
    if len(found) > _MOST_EXCEPTIONS:
        raise _refused(f"there are {len(found)} files of more than 256 MiB", found[0])
    if found:
        shown = ", ".join(paths.shown_path(path) for path in found[:5])
        _log.warning("left as they were, filled-in submodules or huge files: %s", shown)
    return found


def _filled_submodules(repository: Repository, base: str | None, survey: _Survey) -> list[str]:
    """The submodules of the base in which there is a repository now.

    To see whether one is changed, git would start git inside it, with the configuration found
    there (`is_submodule_modified`).
    """
    inside = {path for path in survey.repositories if path}
    if not base or not inside:
        return []
    listed = run_offline(repository, "ls-tree", "-r", "-z", base).stdout.split("\0")
    entries = (line.partition("\t") for line in listed)
    return [path for head, _, path in entries if head.startswith(SUBMODULE) and path in inside]


def _unreadable(done: Completed) -> ChangeRefused | ProcessFailed:
    said = redact(readable_stderr(done.stderr))
    if "No space left on device" in said:
        return ProcessFailed("there is no space to read what the agent left", why=said)
    return ChangeRefused("git cannot read what the agent left", why=said, fix=_FIX)


def _refused(what: str, path: str) -> ChangeRefused:
    return ChangeRefused(what, why=paths.shown_path(path) or "the folder itself", fix=_FIX)
