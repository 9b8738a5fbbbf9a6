"""From a change to a pushed branch, and the removal of a branch that got no change."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.core.errors import ClaimLost, PermanentError, PushNotFastForward, WorkflowsError
from workflows.core.observability import logger
from workflows.tasks import git

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.change.change import Change
    from workflows.change.stages.base import Base
    from workflows.core.flow import Run

_log = logger("push")


@dataclass(frozen=True, slots=True)
class Pushed:
    """The branch as the remote has it. `change` is None where an earlier run had pushed it."""

    branch: str
    commit_id: str
    change: Change | None


def push_change(base: Base, change: Change, run: Run) -> Pushed:
    """Push the change's commit to the request's branch; never forced. Safe to repeat.

    Raises:
        PushNotFastForward: the branch has moved since the clone.
        WorkflowsError: what `git.push_changes` raises.
    """
    branch = base.request.branch
    options = ["ci.skip"] if change.ci_skip else []
    run.step("push changes", git.push_changes, base.repository, branch, options=options)
    return Pushed(branch, change.commit.id, change)


def pushed_before(base: Base) -> Pushed | None:
    """The branch where an earlier run has pushed this very request; None where none has."""
    if base.pushed_before is None:
        return None
    branch = base.request.branch
    _log.info("%s already has this request, at %s", branch, base.pushed_before)
    return Pushed(branch, base.pushed_before, None)


@contextmanager
def branch_removed_on_failure(base: Base, run: Run) -> Iterator[None]:
    """Remove the branch that the claim made if the block fails for good.

    Not where the branch belongs to somebody else by now: it moved, or the claim is lost.
    """
    try:
        yield
    except (PushNotFastForward, ClaimLost):
        raise
    except PermanentError:
        _remove_branch(base, run)
        raise


def _remove_branch(base: Base, run: Run) -> None:
    """Remove the remote branch if it still is as the claim made it; never raises an error."""
    repository, branch, made_at = base.repository, base.request.branch, base.request.claimed_at
    if not made_at or repository.remote_branches.get(branch) != made_at:
        return
    try:
        if repository.run("rev-list", "-1", made_at, f"^{repository.start}").stdout:
            return  # a person pushed before the claim read the branch, and keeps it
        run.step("remove branch", git.delete_branch, repository, branch, made_at)
    except WorkflowsError as error:
        _log.warning("the branch %s is left behind: %s", branch, error.what)
