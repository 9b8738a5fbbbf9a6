"""The current branch of a clone: a new one, or one that the remote has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.errors import BranchNotFound, BranchRefused
from workflows.core.git.branch_names import check_branch_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.tasks.git.repository import Repository


def create_branch(repository: Repository, name: str, *, checkout: bool = True) -> bool:
    """Make `name` the current branch, new from the start commit; True if the remote had it.

    A branch that the remote already has is taken up where it stands, so that a rerun goes on
    from what an earlier run pushed. The working tree then holds that branch's files; with
    `checkout=False` it stays as it is.

    Raises:
        BranchNameInvalid: git or GitLab would refuse the name.
        BranchRefused: the remote has `a` and this is `a/b`, or the other way round.
    """
    check_branch_name(name)
    _refuse_clash(name, repository.remote_branches)
    existing = repository.remote_branches.get(name)
    start = existing or repository.start
    if start is None or not checkout:  # without a start: it is born with the first commit
        if start is not None:
            repository.run("update-ref", f"refs/heads/{name}", start)
        repository.run("symbolic-ref", "HEAD", f"refs/heads/{name}")
    else:
        repository.run("checkout", "--quiet", "--force", "--no-track", "-B", name, start)
    return existing is not None


def change_branch(repository: Repository, name: str) -> None:
    """Make the remote's branch `name` the current branch, as the remote had it at clone time.

    Raises:
        BranchNameInvalid: git or GitLab would refuse the name.
        BranchNotFound: the remote has no such branch.
    """
    check_branch_name(name)
    if name not in repository.remote_branches:
        raise BranchNotFound(
            f"{repository.git.url.name} has no branch {name!r}",
            why=f"it has {_some(sorted(repository.remote_branches))}",
            fix="check the name, or create the branch",
        )
    create_branch(repository, name)


def _refuse_clash(name: str, branches: Mapping[str, str]) -> None:
    """Git keeps branches as files and folders: `a` and `a/b` cannot both exist."""
    above = {name[:i] for i, letter in enumerate(name) if letter == "/"}
    clash = next((b for b in branches if b in above or b.startswith(name + "/")), None)
    if clash is not None:
        raise BranchRefused(
            f"the branch {name!r} cannot be made",
            why=f"the remote has {clash!r}, and git cannot keep both",
            fix="choose another branch name",
        )


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit]) or "no branch at all"
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
