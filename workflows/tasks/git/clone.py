"""Cloning: as much history as asked, as many files as needed, and what the remote has."""

from __future__ import annotations

import re
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.git.branch_names import check_branch_name
from workflows.core.git.command import Git
from workflows.core.git.urls import GitUrl
from workflows.tasks.git.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workflows.core.config.settings import Settings

_REMOTE = "refs/remotes/origin/"


class Depth(StrEnum):
    """How much of the history a clone fetches."""

    BLOBLESS = "blobless"  # all commits and trees, file contents when needed
    SHALLOW = "shallow"  # the newest commit only
    FULL = "full"


_DEPTH_OPTIONS = {
    Depth.BLOBLESS: ("--filter=blob:none",),
    Depth.SHALLOW: ("--depth=1", "--no-single-branch"),
    Depth.FULL: (),
}


def clone_repository(  # noqa: PLR0913 - options are keyword-only
    url: GitUrl | str,
    folder: Path,
    *,
    settings: Settings,
    source_branch: str | None = None,
    depth: Depth = Depth.BLOBLESS,
    checkout: bool = True,
    only: Sequence[str] = (),
    on_progress: Callable[[str], None] | None = None,
) -> Repository:
    """Clone into `folder`, which must not exist yet; on failure nothing is left there.

    Without `source_branch` the remote's default branch is the start. A server that cannot filter
    sends everything. With `checkout=False` the working tree stays empty until `create_branch` or
    `change_branch`, which then write the files once. `only` names the files at the top of the
    repository that the working tree is to hold at all (a sparse checkout): the others are
    neither fetched nor written, and commits keep them as they are.

    Raises:
        UrlRefused, BranchNameInvalid: nothing was sent.
        BranchNotFound: the remote has no `source_branch`.
        AuthenticationFailed, AccessDenied, RepositoryNotFound, NetworkError, RemoteUnavailable,
        TimeoutExceeded: see `core.errors`.
    """
    if isinstance(url, str):
        url = GitUrl.parse(url, allow_local=settings.allow_local_repositories)
    git = Git.for_url(url, settings)
    args = ["clone", "--quiet" if on_progress is None else "--progress", "--template=", "--no-tags"]
    args += _DEPTH_OPTIONS[depth]
    args += _checkout_options(source_branch, checkout=checkout, sparse=bool(only))
    args += ["--", _address(url), str(folder)]
    try:
        git.run(*args, cwd=folder.parent, on_progress=on_progress)
        if only:
            _write_patterns(folder, only)
        repository = _read_remote(folder, git, source_branch)
        if only and checkout and repository.start:
            repository.run("checkout", "--quiet")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return repository


def _checkout_options(source_branch: str | None, *, checkout: bool, sparse: bool) -> list[str]:
    """Options of `git clone`: which branch, and whether git writes its files itself."""
    options = []
    if source_branch is not None:
        options.append("--branch=" + check_branch_name(source_branch))
    if sparse or not checkout:
        options.append("--no-checkout")
    if sparse:
        options.append("--config=core.sparseCheckout=true")
    return options


def _address(url: GitUrl) -> str:
    """The URL for git, with a relative path made absolute: git runs in another folder."""
    local = url.scheme == "file" and not url.text.startswith("file:")
    return str(Path(url.text).absolute()) if local else url.text


def _write_patterns(folder: Path, names: Sequence[str]) -> None:
    """The sparse-checkout file: gitignore(5) patterns, here plain names at the top."""
    info = folder / ".git" / "info"
    info.mkdir(exist_ok=True)
    lines = ["/" + re.sub(r"([\\*?\[ ])", r"\\\1", name) for name in names]
    (info / "sparse-checkout").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read_remote(folder: Path, git: Git, source_branch: str | None) -> Repository:
    """Read what the remote has from the new clone, without another request."""
    branches, default = _remote_refs(folder, git)
    start = branches.get(source_branch or default or "")
    if default is None and source_branch is None:  # no commit there yet, but the remote names it
        head = git.run("symbolic-ref", "--quiet", "--short", "HEAD", cwd=folder, check=False)
        default = head.stdout.strip() or None
    if start is None and branches:
        # The remote's HEAD names no branch it has; take the one git checked out, if any.
        done = git.run("rev-parse", "--quiet", "--verify", "HEAD", cwd=folder, check=False)
        start = done.stdout.strip() or None
    return Repository(folder, git, default, branches, start)


def _remote_refs(folder: Path, git: Git) -> tuple[dict[str, str], str | None]:
    """The remote's branches with their commits, and its default branch, by the clone's refs."""
    listing = git.run(
        *("for-each-ref", "--format=%(refname)%00%(objectname)%00%(symref)", _REMOTE),
        cwd=folder,
    ).stdout
    branches: dict[str, str] = {}
    default = None
    for line in listing.split("\n")[:-1]:  # a ref name may hold other line ends
        name, commit_id, target = line.split("\0")
        if target:
            default = target.removeprefix(_REMOTE)
        else:
            branches[name.removeprefix(_REMOTE)] = commit_id
    return branches, default
