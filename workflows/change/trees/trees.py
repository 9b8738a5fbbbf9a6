"""Trees and commits made and compared by git's plumbing: no working tree, no hook, no network.

Everything here runs in our own clone with no credential in git's environment and with transports
switched off, so that nothing in a tree can make git ask somebody for something. Only the
functions that say so may fetch what the clone lacks of the commits that the remote has.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workflows.change.trees import paths
from workflows.change.trees.file_change import EXECUTABLE, FILE, SYMLINK, FileChange
from workflows.core.errors import ChangeRefused, NothingToCommit
from workflows.core.git.commit_text import commit_message_for, commit_text, identity_variables
from workflows.core.redaction import holds_secret
from workflows.tasks.git import Commit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from workflows.core.git.commit_text import CommitIdentity
    from workflows.core.process import Completed
    from workflows.tasks.git import Repository

_NO_TREE = {  # the empty tree, which every repository has (by the length of its ids)
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_OFFLINE = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",  # newer git; older ones are stopped by the line above
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_CAREFUL = ("-c", "core.protectHFS=true", "-c", "core.protectNTFS=true")
_BLOB_MODES = {FILE, EXECUTABLE, SYMLINK}
_LONGEST_LINK = 4_096  # PATH_MAX
_LOOKED_INTO_BYTES = 8_000_000
_AT_ONCE_BYTES = 12_000_000  # well below what core.process keeps of one output
_BINARY_PREFIX = 8_000  # git's own rule (buffer_is_binary in xdiff-interface.c)
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class ChangeStat:
    """How much a change is; renamed files count once, binary ones have no lines."""

    files: int
    added: int
    deleted: int


def run_offline(
    repository: Repository,
    *args: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run git in the clone without credential, transports and replaced objects."""
    git = replace(repository.git, secret=None)
    return git.run(
        *(*_CAREFUL, *args),
        cwd=cwd or repository.folder,
        stdin=stdin,
        check=check,
        env={"GIT_DIR": str(git_folder(repository)), **_OFFLINE, **(env or {})},
    )


def git_folder(repository: Repository) -> Path:
    """The clone's `.git`, as an absolute path."""
    return repository.folder.absolute() / ".git"


def file_changes(repository: Repository, base: str | None, tree: str) -> list[FileChange]:
    """What differs between a commit (None: nothing yet) and a tree, in git's order.

    Raises:
        ChangeRefused: more differs than can be listed.
    """
    raw = _raw(repository, base, tree)
    sizes = _sizes(
        repository,
        [one.new_id for one in raw if one.new_mode in _BLOB_MODES],
        [one.old_id for one in raw if one.old_mode in _BLOB_MODES],
    )
    seen = _look(repository, _wanted(raw, sizes))
    known = {one.old_id for one in raw if not one.is_new}
    return [_described(one, sizes, seen, known) for one in raw]


def _described(
    one: FileChange, sizes: Mapping[str, int], seen: Mapping[str, str], known: Collection[str]
) -> FileChange:
    text = seen.get(one.new_id)
    is_link = one.new_mode == SYMLINK
    unread = text is None and sizes.get(one.new_id, 0) > 0
    return replace(
        one,
        size_bytes=sizes.get(one.new_id),
        old_size_bytes=sizes.get(one.old_id),
        is_binary=not is_link and (unread or "\0" in (text or "")[:_BINARY_PREFIX]),
        is_known=one.new_id in known,
        link_target=text if is_link else None,
        holds_secret=not one.is_gone
        and (holds_secret(one.path) or (one.new_id not in known and holds_secret(text or ""))),
    )


def _raw(repository: Repository, base: str | None, tree: str) -> list[FileChange]:
    # submodules: what .gitmodules says of `ignore` would hide them
    done = run_offline(
        repository,
        *("diff-tree", "-r", "--raw", "-z", "--no-renames", "--no-abbrev"),
        *("--ignore-submodules=none", base or _NO_TREE[len(tree)], tree, "--"),
    )
    if done.truncated:
        raise ChangeRefused(
            "the agent changed more files than can be listed",
            why=f"the list is longer than {len(done.stdout) >> 20} MiB",
            fix="ask for less at once; let .gitignore name what is made by tools",
        )
    fields = done.stdout.split("\0")[:-1]
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [_change(entry, path) for entry, path in pairs]


def _change(entry: str, path: str) -> FileChange:
    """From `:MODE MODE ID ID STATUS` (git-diff-tree(1), RAW OUTPUT FORMAT)."""
    old_mode, new_mode, old_id, new_id, _ = entry.removeprefix(":").split(" ")
    return FileChange(path, old_mode, new_mode, old_id, new_id)


def _sizes(repository: Repository, new: Iterable[str], old: Iterable[str]) -> dict[str, int]:
    """Size in bytes of these blobs; of the old ones where they are on this disk."""
    new_ids = dict.fromkeys(new)
    asked = "".join(f"{i}\n" for i in (new_ids | dict.fromkeys(old))).encode()
    if not asked:
        return {}
    # git ends at the first blob that it would have to fetch
    done = run_offline(repository, "cat-file", "--batch-check", stdin=asked, check=False)
    answers = [line.split(" ") for line in done.stdout.splitlines()]
    sizes = {answer[0]: int(answer[2]) for answer in answers if answer[1] == "blob"}
    if not new_ids.keys() <= sizes.keys():
        raise repository.git.failure(done)
    return sizes


def _wanted(raw: Iterable[FileChange], sizes: Mapping[str, int]) -> dict[str, int]:
    """The blobs to look into, with their sizes: new ones that are not too large."""
    limits = {SYMLINK: _LONGEST_LINK, FILE: _LOOKED_INTO_BYTES, EXECUTABLE: _LOOKED_INTO_BYTES}
    found = ((one.new_id, limits.get(one.new_mode, -1)) for one in raw)
    return {i: sizes[i] for i, limit in found if i in sizes and sizes[i] <= limit}


def _look(repository: Repository, wanted: Mapping[str, int]) -> dict[str, str]:
    """The contents of blobs, by id, what is not UTF-8 replaced; all or nothing of each."""
    contents: dict[str, str] = {}
    for batch in _batches(wanted):
        mark = os.urandom(16).hex()  # nobody could have written this into a blob
        done = run_offline(
            repository,
            *("cat-file", f"--batch={mark} %(objectname)"),
            stdin="".join(f"{i}\n" for i in batch).encode(),
        )
        for piece in ("\n" + done.stdout).split(f"\n{mark} ")[1:]:
            name, _, text = piece.partition("\n")
            contents[name] = text
        # the last one still has the line end that follows each
        contents[batch[-1]] = contents[batch[-1]].removesuffix("\n")
    return contents


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for name, size in sizes.items():
        if batch and total + size > _AT_ONCE_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += size
    if batch:
        yield batch


def tree_without(
    repository: Repository, base: str | None, tree: str, left_out: Iterable[str]
) -> str:
    """The tree in which these paths are again what they are in the base; new ones are gone.

    Raises:
        ValueError: a path is not UTF-8, and so cannot be named.
    """
    names = set(left_out)
    if any(paths.UNDECODABLE in name for name in names):
        raise ValueError("a path that is not UTF-8 cannot be left out")
    lines = [
        f"{one.old_mode if not one.is_new else '0'} {one.old_id}\t{one.path}\0"
        for one in _raw(repository, base, tree)
        if one.path in names
    ]
    with temporary_index(repository) as env:
        run_offline(repository, "read-tree", tree, env=env)
        run_offline(
            repository, "update-index", "-z", "--index-info", stdin="".join(lines).encode(), env=env
        )
        return write_tree(repository, env)


@contextmanager
def temporary_index(repository: Repository) -> Iterator[dict[str, str]]:
    """An index file for one block, as the variables for git; gone after it."""
    with tempfile.TemporaryDirectory(dir=git_folder(repository), prefix="index-") as folder:
        yield {"GIT_INDEX_FILE": f"{folder}/index"}


def write_tree(repository: Repository, env: Mapping[str, str]) -> str:
    """The id of the tree that an index holds; what it names need not be on this disk."""
    return run_offline(repository, "write-tree", "--missing-ok", env=env).stdout.strip()


def commit_tree(  # noqa: PLR0913 - options are keyword-only
    repository: Repository,
    tree: str,
    *,
    parent: str | None,
    author: CommitIdentity,
    message: str | None = None,
    co_authors: Sequence[CommitIdentity] = (),
) -> Commit:
    """Commit a tree on top of `parent` (None: the first commit) and make it the current commit.

    The message is made as in `tasks.git.commit_changes`, and the author is the committer too.
    The branch that HEAD names moves along; run again, it makes another commit on `parent`.

    Raises:
        NothingToCommit: the tree is the parent's.
    """
    listed = [(one.status, one.path) for one in _raw(repository, parent, tree)]
    if not listed:
        raise NothingToCommit(
            "there is nothing to commit", why="no file differs from the current commit"
        )
    text = commit_text(message or commit_message_for(listed), co_authors)
    who = identity_variables(author)
    parents = ["-p", parent] if parent else []
    done = run_offline(repository, "commit-tree", *parents, tree, stdin=text.encode(), env=who)
    commit_id = done.stdout.strip()
    run_offline(repository, "update-ref", "HEAD", commit_id, env=who)
    return Commit(commit_id, text.splitlines()[0], len(listed))


def diff_text(repository: Repository, base: str | None, tree: str, *, limit_bytes: int) -> str:
    """The change as a unified diff for people, renames shown, cut after about `limit_bytes`.

    What the clone lacks of the base is fetched, with our credential. Control characters and
    marks that turn the direction of text are escaped: it is safe to show, and not made for
    `git apply`.
    """
    text = _diff(repository, base, tree, "--patch").stdout.replace("\r\n", "\n")
    text = _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    kept = data[:limit_bytes].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n[… {len(data) - len(kept.encode())} bytes left out …]\n"


def change_stat(repository: Repository, base: str | None, tree: str) -> ChangeStat:
    """The number of files and lines of a change; fetches as `diff_text`."""
    lines = _diff(repository, base, tree, "--numstat").stdout.splitlines()
    counts = [line.split("\t")[:2] for line in lines]
    added, deleted = (sum(int(c[i]) for c in counts if c[i].isdigit()) for i in (0, 1))
    return ChangeStat(len(counts), added, deleted)


def _diff(repository: Repository, base: str | None, tree: str, *options: str) -> Completed:
    return repository.git.run(
        *("diff-tree", "-r", "--find-renames", "--no-ext-diff", "--no-textconv", "--no-color"),
        *("--ignore-submodules=none", *options, base or _NO_TREE[len(tree)], tree, "--"),
        cwd=repository.folder,
        env={"GIT_NO_REPLACE_OBJECTS": "1"},
    )


def read_file(repository: Repository, commit: str, path: str, *, limit_bytes: int) -> str | None:
    """The text of a file in a commit; None if there is none, or it is larger than the limit.

    Where the clone lacks the content it is fetched, with our credential. Of a symbolic link the
    target is the text.
    """
    if "\n" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        return None
    asked = f"{commit}:{path}\n".encode()
    answer = repository.run("cat-file", "--batch", stdin=asked).stdout
    header, _, text = answer.partition("\n")
    *_, kind, size = header.split(" ")
    if kind != "blob" or int(size) > limit_bytes:
        return None
    return text.removesuffix("\n")
