"""Pushing one exact commit, deleting a branch, and starting over when a branch moved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from workflows.core.errors import (
    PushHookDeclined,
    PushNotFastForward,
    PushProtectedBranch,
    PushRejected,
    WorkflowsError,
)
from workflows.core.git.branch_names import check_branch_name
from workflows.core.git.command import readable_stderr
from workflows.core.observability import logger
from workflows.core.redaction import redact
from workflows.tasks.git.repository import Repository, current_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workflows.core.process import Completed

T = TypeVar("T")

_log = logger("git")


def push_changes(
    repository: Repository,
    branch: str,
    *,
    force_with_lease: str | None = None,
    options: Sequence[str] = (),
) -> str:
    """Push the current commit to `branch` and return the commit id the remote now has.

    Pushing twice is harmless: the second call returns the same id. History on the remote is
    overwritten only with `force_with_lease`: the commit id last seen there (all zeros: none).
    `options` are push options such as `ci.skip`, for a server that takes them; GitLab does
    (https://docs.gitlab.com/topics/git/commit/#push-options).

    Raises:
        PushNotFastForward: the remote has commits that this clone lacks, or the lease is stale.
        PushProtectedBranch, PushHookDeclined, PushRejected: the remote said no.
        TimeoutExceeded: no answer in time; the branch may or may not be there.
    """
    check_branch_name(branch)
    commit_id = current_commit(repository)
    flags = ["--porcelain", "--no-verify", *(f"--push-option={option}" for option in options)]
    if force_with_lease is not None:
        flags.append(f"--force-with-lease=refs/heads/{branch}:{force_with_lease}")
    refspec = f"{commit_id}:refs/heads/{branch}"
    done = repository.run("push", *flags, "origin", refspec, check=False)
    if done.exit_code:
        raise _push_failure(repository, branch, done)
    for line in readable_stderr(done.stderr).split("\n"):
        if line.startswith("remote: ") and line[8:].strip():
            _log.info("%s", line[8:].strip())
    return commit_id


def delete_branch(repository: Repository, name: str, expected: str) -> bool:
    """Delete the remote's branch if it still is at `expected`; False if somebody moved it.

    One that is gone already counts as deleted.

    Raises:
        PushProtectedBranch, PushHookDeclined, PushRejected: the remote said no.
    """
    check_branch_name(name)
    lease = f"--force-with-lease=refs/heads/{name}:{expected}"
    done = repository.run(
        *("push", "--porcelain", "--no-verify", lease, "origin", f":refs/heads/{name}"),
        check=False,
    )
    if done.exit_code == 0 or "remote ref does not exist" in done.stdout + done.stderr:
        return True
    failure = _push_failure(repository, name, done)
    if isinstance(failure, PushNotFastForward):
        return False
    raise failure


def start_over_when_moved(work: Callable[[Path], T], scratch: Path, *, times: int = 3) -> T:
    """Return `work(folder)`; where the branch moved before its push, start it over.

    Each of at most `times` tries gets a new, empty folder below `scratch`, so that it clones what
    is there now.

    Raises:
        PushNotFastForward: the branch moved before the last push as well.
    """
    for left in reversed(range(times)):
        folder = scratch / f"try-{times - left}"
        folder.mkdir()
        try:
            return work(folder)
        except PushNotFastForward as error:
            if not left:
                raise
            _log.warning("%s; starting over from what is there now", error.what)
    raise AssertionError  # the loop returns or raises


def _push_failure(repository: Repository, branch: str, done: Completed) -> WorkflowsError:
    """Which error a failed push is, from the porcelain line of our ref and the hook's output."""
    line = next((x for x in done.stdout.split("\n") if x.startswith("!\t")), "")
    if not line:
        return repository.git.failure(done)
    reason = line.split("\t")[-1]
    remote = [x for x in readable_stderr(done.stderr).split("\n") if x.startswith("remote: ")]
    said = redact("\n".join([reason, *(x.removeprefix("remote: ") for x in remote)]))
    what = f"{repository.git.url.name} refused the push to {branch!r}"
    moved = r"fetch first|non-fast-forward|stale info|already exists|but expected|failed to update"
    if re.search(moved, reason):
        return PushNotFastForward(
            what, why=said, fix="someone pushed meanwhile: run again to go on from there"
        )
    if re.search(r"protected branch|protected branches", "\n".join([reason, *remote])):
        return PushProtectedBranch(
            what, why=said, fix="push to another branch, or let the token's user push to this one"
        )
    if "hook declined" in reason:
        return PushHookDeclined(what, why=said, fix="change what the server's rule asks for")
    return PushRejected(what, why=said)
