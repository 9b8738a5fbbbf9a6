"""Clone, branch, commit, push: the git steps of a flow, on the git binary.

Each function may be run again after a crash and ends in the same state. Submodules are not
entered and LFS pointers stay pointers (no filter is configured). See `core.git.command` for how
git is kept away from the machine's configuration and from the token.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from workflows.core.errors import (
    BranchNotFound,
    BranchRefused,
    NothingToCommit,
    PushHookDeclined,
    PushNotFastForward,
    PushProtectedBranch,
    PushRejected,
    WorkflowsError,
)
from workflows.core.git.branch_names import check_branch_name
from workflows.core.git.command import Git, readable_stderr
from workflows.core.git.commit_text import (
    CommitIdentity,
    commit_message_for,
    commit_text,
    identity_variables,
)
from workflows.core.git.urls import GitUrl
from workflows.core.observability import logger
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workflows.core.config.settings import Settings
    from workflows.core.process import Completed

T = TypeVar("T")

_log = logger("git")
_REMOTE = "refs/remotes/origin/"


class Depth(StrEnum):
    """How much of the history a clone fetches."""

    BLOBLESS = "blobless"  # all commits and trees, file contents when needed
    SHALLOW = "shallow"  # the newest commit only
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone and what its remote looked like when it was made.

    `remote_branches` maps branch name to commit id. `default_branch` is the one the remote names,
    also where it has no commit yet; None where it names none. `start` is the commit new branches
    start at, None in an empty repository.
    """

    folder: Path
    git: Git
    default_branch: str | None
    remote_branches: Mapping[str, str]
    start: str | None

    def run(self, *args: str, check: bool = True, stdin: bytes | None = None) -> Completed:
        """Run git in the clone; errors as `Git.run`."""
        return self.git.run(*args, cwd=self.folder, check=check, stdin=stdin)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit made here: its id (40 hex digits), first line, and number of changed files."""

    id: str
    subject: str
    files: int


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
        UrlRefused, BranchNameInvalid: refused at the door.
        BranchNotFound: the remote has no `source_branch`.
        AuthenticationFailed, AccessDenied, RepositoryNotFound, NetworkError, RemoteUnavailable,
        TimeoutExceeded: see `core.errors`.
    """
    if isinstance(url, str):
        url = GitUrl.parse(url, allow_local=settings.allow_local_repositories)
    git = Git.for_url(url, settings)
    args = ["clone", "--quiet" if on_progress is None else "--progress", "--template=", "--no-tags"]
    if depth is Depth.BLOBLESS:
        args.append("--filter=blob:none")
    if depth is Depth.SHALLOW:
        args += ["--depth=1", "--no-single-branch"]
    if source_branch is not None:
        args.append("--branch=" + check_branch_name(source_branch))
    if only or not checkout:
        args.append("--no-checkout")
    if only:
        args.append("--config=core.sparseCheckout=true")
    args += ["--", _address(url), str(folder)]
    try:
        git.run(*args, cwd=folder.parent, on_progress=on_progress)
        if only:
            _write_patterns(folder, only)
        repository = _look(folder, git, source_branch)
        if only and checkout and repository.start:
            repository.run("checkout", "--quiet")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return repository


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


def commit_changes(
    repository: Repository,
    *,
    author: CommitIdentity,
    message: str | None = None,
    co_authors: Sequence[CommitIdentity] = (),
    paths: Sequence[str] | None = None,
) -> Commit:
    """Commit every change of the working tree, or only `paths` (ignored ones too if named).

    Without `message` one is built from the changed files. Co-authors become `Co-authored-by`
    trailers. The author is also the committer.

    Raises:
        NothingToCommit: nothing differs from the current commit.
    """
    if paths is None:
        repository.run("add", "--all")
    else:
        repository.run("--literal-pathspecs", "add", "--all", "--force", "--", *paths)
    listed = repository.run("diff", "--cached", "--name-status", "--no-renames", "-z").stdout
    fields = listed.split("\0")[:-1]
    changes = list(zip(fields[::2], fields[1::2], strict=False))
    if not changes:
        raise NothingToCommit(
            "there is nothing to commit", why="no file differs from the current commit"
        )
    text = commit_text(message or commit_message_for(changes), co_authors)
    repository.git.run(
        *("commit", "--quiet", "--no-verify", "--cleanup=verbatim", "--file=-"),
        cwd=repository.folder,
        stdin=text.encode(),
        env=identity_variables(author),
    )
    return Commit(current_commit(repository), text.splitlines()[0], len(changes))


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


def current_commit(repository: Repository) -> str:
    """The id of the current commit (40 or 64 hex digits)."""
    return repository.run("rev-parse", "--verify", "HEAD^{commit}").stdout.strip()


def _address(url: GitUrl) -> str:
    """What git is told to clone. Its own working folder must not matter to a relative path."""
    local = url.scheme == "file" and not url.text.startswith("file:")
    return str(Path(url.text).absolute()) if local else url.text


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


def _write_patterns(folder: Path, names: Sequence[str]) -> None:
    """The sparse-checkout file: gitignore(5) patterns, here plain names at the top."""
    info = folder / ".git" / "info"
    info.mkdir(exist_ok=True)
    lines = ["/" + re.sub(r"([\\*?\[ ])", r"\\\1", name) for name in names]
    (info / "sparse-checkout").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _look(folder: Path, git: Git, source_branch: str | None) -> Repository:
    """Read the remote's branches and default branch from the clone's own refs."""
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
    start = branches.get(source_branch or default or "")
    if default is None and source_branch is None:  # no commit there yet, but the remote names it
        head = git.run("symbolic-ref", "--quiet", "--short", "HEAD", cwd=folder, check=False)
        default = head.stdout.strip() or None
    if start is None and branches:
        # The remote's HEAD names no branch it has; take the one git checked out, if any.
        done = git.run("rev-parse", "--quiet", "--verify", "HEAD", cwd=folder, check=False)
        start = done.stdout.strip() or None
    return Repository(folder, git, default, branches, start)


def _push_failure(repository: Repository, branch: str, done: Completed) -> WorkflowsError:
    """Which error a failed push is, from the porcelain line of our ref and the hook's words."""
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


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit]) or "no branch at all"
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


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
