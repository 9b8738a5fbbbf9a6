"""Reads and writes a bare repository by running git. Knows nothing of GitLab."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ZEROS = "0" * 40  # instead of a commit id: the ref does not exist, or is to be deleted
_TIMEOUT_S = 60.0
_MAX_BRANCH_BYTES = 240  # a file name of 255, less what git appends for its locks
_FORMAT = "%H%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_NOT_A_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|^-|\.\.|@\{")
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "core.quotePath",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_CONFIG_KEY_2": "core.hooksPath",
    "GIT_CONFIG_VALUE_2": "/dev/null",
}


class GitPerson(NamedTuple):
    """Author or committer of a commit."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class GitCommit:
    """A commit; times are ISO 8601 with the zone they were made in."""

    id: str
    parents: tuple[str, ...]
    author: GitPerson
    authored_at: datetime
    committer: GitPerson
    committed_at: datetime
    message: str

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


class TreeEntry(NamedTuple):
    """An entry of a tree: a file, folder or submodule."""

    mode: str
    type: str
    id: str
    path: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What happened to one file; `text` begins at the first hunk. A mode of 0: absent."""

    old_path: str
    new_path: str
    old_mode: str
    new_mode: str
    status: str
    text: str


class FileToCommit(NamedTuple):
    """One file of a new commit; `content` None removes the path."""

    path: str
    content: bytes | None
    mode: str = "100644"


class BareRepository:
    """A bare repository. Names are checked, so that no name is ever taken for an option."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _git(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        return self._run(*args, stdin=stdin, env=env or {}).stdout

    def _run(
        self, *args: str, stdin: bytes | None, env: Mapping[str, str], check: bool = True
    ) -> process.Completed:
        variables = environment.for_child(
            {**_ENVIRONMENT, "GIT_DIR": str(self.folder), **env}.items()
        )
        return process.run(
            ["git", *args], env=variables, stdin=stdin, timeout_s=_TIMEOUT_S, check=check
        )

    # --- names -------------------------------------------------------------------------------

    def resolve(self, name: str) -> str | None:
        """The id of the commit that a branch, tag, full ref or commit id names, or None."""
        if not name or _NOT_A_NAME.search(name):
            return None
        tried = (f"refs/heads/{name}", f"refs/tags/{name}", name)
        lines = "".join(f"{one}^{{commit}}\n" for one in tried)
        answers = self._git("cat-file", "--batch-check", stdin=lines.encode()).splitlines()
        found = (line.split(" ") for line in answers)
        return next((words[0] for words in found if words[1:2] == ["commit"]), None)

    def branches(self) -> dict[str, str]:
        """Branch name to commit id, by name."""
        return self._refs("refs/heads")

    def tags(self) -> dict[str, str]:
        """Tag name to commit id, by name."""
        return self._refs("refs/tags")

    def _refs(self, under: str) -> dict[str, str]:
        listing = self._git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", under)
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {name: sha for sha, name in pairs}

    def containing(self, sha: str) -> list[str]:
        """The branches and tags that contain this commit."""
        listing = self._git("for-each-ref", "--format=%(refname:lstrip=2)", f"--contains={sha}")
        return listing.splitlines()

    def is_branch_name(self, name: str) -> bool:
        """Whether git accepts this name for a branch."""
        if name.startswith("-") or len(name.encode()) > _MAX_BRANCH_BYTES:
            return False
        done = self._run("check-ref-format", f"refs/heads/{name}", stdin=None, env={}, check=False)
        return done.exit_code == 0

    def set_branch(self, name: str, new: str, old: str = ZEROS) -> bool:
        """Move a branch from commit `old` (zeros: create it) to `new` (zeros: delete it).

        False when it was not at `old`, or its name clashes with another.
        """
        line = f"update refs/heads/{name}\0{new}\0{old}\0"
        done = self._run("update-ref", "--stdin", "-z", stdin=line.encode(), env={}, check=False)
        return done.exit_code == 0

    # --- commits -----------------------------------------------------------------------------

    def commits(self, revisions: Iterable[str], *options: str, path: str = "") -> list[GitCommit]:
        """What `git log` shows of these revisions, newest first."""
        if path and not _inside(path):
            return []
        stdin = "".join(f"{revision}\n" for revision in revisions).encode()
        paths = ("--", f":(literal){path}") if path else ()
        args = ("log", "-z", f"--format={_FORMAT}", *options, "--stdin", *paths)
        log = self._git(*args, stdin=stdin)
        return [_commit(record) for record in log.split("\0") if record]

    def commit(self, sha: str) -> GitCommit:
        """One commit by its id."""
        return self.commits([sha], "--no-walk")[0]

    def last_commit(self, sha: str, path: str) -> GitCommit:
        """The newest commit up to `sha` that touched `path`."""
        return self.commits([sha], "-1", path=path)[0]

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor."""
        done = self._run("merge-base", one, other, stdin=None, env={}, check=False)
        return done.stdout.strip() or None

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `old` is an ancestor of `new`, or the same commit."""
        done = self._run("merge-base", "--is-ancestor", old, new, stdin=None, env={}, check=False)
        return done.exit_code == 0

    def count(self, old: str, new: str) -> int:
        """The number of commits that `new` contains and `old` does not."""
        return int(self._git("rev-list", "--count", f"{old}..{new}"))

    def stats(self, sha: str) -> tuple[int, int]:
        """Lines added and removed by a commit."""
        shown = self._git("show", "--numstat", "--format=", sha).split("\n")
        rows = [line.split("\t") for line in shown if line[:1].isdigit()]
        return sum(int(row[0]) for row in rows), sum(int(row[1]) for row in rows)

    # --- content -----------------------------------------------------------------------------

    def diff(self, old: str | None, new: str) -> list[FileDiff]:
        """The files that differ; `old` None compares with nothing."""
        pair = (old or _EMPTY_TREE, new)
        raw = self._git("diff", "--raw", "-z", "-M", "--no-abbrev", *pair).split("\0")
        patch = self._git("diff", "-p", "-M", "--no-ext-diff", "--full-index", *pair)
        texts = re.split(r"^diff --git .*\n", patch, flags=re.MULTILINE)[1:]
        return [
            FileDiff(*names, *modes, _hunks(text))
            for (names, modes), text in zip(_raw_records(raw), texts, strict=False)
        ]

    def tree(self, sha: str, path: str = "", *, recursive: bool = False) -> list[TreeEntry] | None:
        """The entries below a folder; None when there is no such folder."""
        where = f"{sha}:{path.strip('/')}" if path.strip("/") else sha
        options = ("-r", "-t") if recursive else ()
        done = self._run("ls-tree", "-z", *options, where, stdin=None, env={}, check=False)
        if done.exit_code:
            return None
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        return [_entry(line, prefix) for line in done.stdout.split("\0") if line]

    def entry(self, sha: str, path: str) -> TreeEntry | None:
        """The file, folder or submodule at `path`."""
        if not _inside(path):
            return None
        listing = self._git("--literal-pathspecs", "ls-tree", "-z", sha, "--", path)
        entries = [_entry(line) for line in listing.split("\0") if line]
        return next((entry for entry in entries if entry.path == path), None)

    def blob(self, sha: str) -> bytes:
        """The bytes of a file, exactly."""
        env = environment.for_child({**_ENVIRONMENT, "GIT_DIR": str(self.folder)}.items())
        with tempfile.TemporaryDirectory() as scratch:
            output = Path(scratch, "blob")
            with process.background(["git", "cat-file", "blob", sha], env=env, log=output) as git:
                git.wait(_TIMEOUT_S)
            return output.read_bytes()

    # --- writing -----------------------------------------------------------------------------

    def commit_files(  # noqa: PLR0913 - the fields of a commit
        self,
        branch: str,
        parent: str | None,
        changes: Sequence[FileToCommit],
        *,
        message: str,
        author: GitPerson,
        committer: GitPerson,
        when: datetime,
    ) -> str:
        """Add one commit to a branch (made from `parent` when it is new) and return its id."""
        stamp = f"{int(when.timestamp())} +0000"
        parts = [
            f"commit refs/heads/{branch}\n"
            f"author {author.name} <{author.email}> {stamp}\n"
            f"committer {committer.name} <{committer.email}> {stamp}\n".encode(),
            _data(message.encode()),
            f"from {parent}\n".encode() if parent else b"",
        ]
        for change in changes:
            quoted = change.path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            if change.content is None:
                parts.append(f'D "{quoted}"\n'.encode())
            else:
                parts += [f'M {change.mode} inline "{quoted}"\n'.encode(), _data(change.content)]
        self._git("fast-import", "--quiet", "--force", stdin=b"".join(parts))
        sha = self.resolve(f"refs/heads/{branch}")
        if sha is None:
            raise ProcessFailed(f"git fast-import made no branch {branch}")
        return sha

    def merged_tree(self, ours: str, theirs: str) -> str | None:
        """The tree that a merge of two commits gives; None when they conflict."""
        done = self._run(
            "merge-tree", "--write-tree", ours, theirs, stdin=None, env={}, check=False
        )
        return done.stdout.split("\n")[0] if done.exit_code == 0 else None

    def commit_tree(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: GitPerson,
        committer: GitPerson,
    ) -> str:
        """Write a commit object; no branch moves."""
        parts = [part for parent in parents for part in ("-p", parent)]
        env = _identity(author, committer)
        args = ("commit-tree", tree, *parts)
        return self._run(*args, stdin=message.encode(), env=env).stdout.strip()

    def rebased(self, head: str, onto: str, committer: GitPerson) -> str | None:
        """The commits of `head` on top of `onto`, as a new head; None when they conflict."""
        env = _identity(committer, committer)
        env = {name: value for name, value in env.items() if "COMMITTER" in name}
        with tempfile.TemporaryDirectory() as scratch:
            tree = str(Path(scratch, "tree"))
            self._git("worktree", "add", "-q", "--detach", tree, head)
            try:
                inside = {**env, "GIT_DIR": str(Path(tree, ".git")), "GIT_WORK_TREE": tree}
                args = ("-C", tree, "rebase", "-q", onto)
                done = self._run(*args, stdin=None, env=inside, check=False)
                return (
                    self._git("-C", tree, "rev-parse", "HEAD", env=inside).strip()
                    if (done.exit_code == 0)
                    else None
                )
            finally:
                self._git("worktree", "remove", "--force", tree)


def _inside(path: str) -> bool:
    """Whether a path is inside the repository; git fails on any other."""
    return not path.startswith("/") and ".." not in path.split("/")


def _identity(author: GitPerson, committer: GitPerson) -> dict[str, str]:
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
    }


def _commit(record: str) -> GitCommit:
    sha, parents, name, email, authored, by, by_email, committed, message = record.split("\x1f", 8)
    return GitCommit(
        sha.strip(),
        tuple(parents.split()),
        GitPerson(name, email),
        datetime.fromisoformat(authored),
        GitPerson(by, by_email),
        datetime.fromisoformat(committed),
        message,
    )


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _entry(line: str, prefix: str = "") -> TreeEntry:
    info, _, path = line.partition("\t")
    mode, kind, sha = info.split(" ")
    return TreeEntry(mode, kind, sha, prefix + path)


def _hunks(text: str) -> str:
    """The part of a patch that GitLab shows: from the first `@@`, or the note on binaries."""
    start = re.search(r"^(@@|Binary files)", text, flags=re.MULTILINE)
    return text[start.start() :] if start else ""


def _raw_records(raw: Sequence[str]) -> Iterable[tuple[tuple[str, str], tuple[str, str, str]]]:
    """Names and (old mode, new mode, status letter) of each record of `git diff --raw -z`."""
    fields = iter(raw)
    for info in fields:
        if not info:
            return
        old_mode, new_mode, _, _, status = info.lstrip(":").split(" ")
        old = next(fields)
        new = next(fields) if status[0] in "RC" else old
        yield (old, new), (old_mode, new_mode, status[0])
