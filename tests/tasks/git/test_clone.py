"""Cloning, on real git against the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import PROJECT, Remote, git_for
from tests.tasks.git.support import ADA, push_file
from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import (
    AuthenticationFailed,
    NetworkError,
    PushHookDeclined,
)
from workflows.local.git_server.http import create_bare
from workflows.tasks import git
from workflows.tasks.git import Depth

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.config.settings import Settings


def test_a_clone_knows_the_remotes_branches_and_default_branch(
    remote: Remote, clone: git.Repository
) -> None:
    """A clone has the files, the default branch, and every branch with its commit id."""
    assert (clone.folder / "README.md").read_text() == "# acme/shop\n"
    assert clone.default_branch == "main"
    assert dict(clone.remote_branches) == remote.branches()
    assert clone.start == remote.branches()["main"]


def test_source_branch_is_the_start(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """With `source_branch` new branches start there, not at the default branch."""
    remote.git("branch", "next", "main")
    other = git.clone_repository(remote.url, tmp_path / "a", settings=settings)
    on_next = push_file(other, "next", "next.txt")

    clone = git.clone_repository(
        remote.url, tmp_path / "b", settings=settings, source_branch="next"
    )
    git.create_branch(clone, "feature")

    assert clone.default_branch == "main"
    assert git.current_commit(clone) == on_next
    assert (clone.folder / "next.txt").exists()


@pytest.mark.parametrize("name", ["trunk", "größe/日本語"])
def test_default_branch_may_have_any_name(
    remote: Remote, settings: Settings, tmp_path: Path, name: str
) -> None:
    """A default branch that is not `main`, in any script, is found."""
    remote.server.create_repository("acme/other", default_branch=name)

    clone = git.clone_repository(
        f"{remote.base_url}/acme/other.git", tmp_path / "clone", settings=settings
    )

    assert clone.default_branch == name


def test_files_with_unicode_names_survive_the_round_trip(
    remote: Remote, clone: git.Repository
) -> None:
    """Names in any script are committed as they are, and named in the message."""
    commit_id = push_file(clone, "übung", "文書/naïve café.txt", "ü\n")

    assert remote.git("show", f"{commit_id}:文書/naïve café.txt") == "ü"
    assert remote.git("log", "-1", "--format=%s", commit_id) == "Add 文書/naïve café.txt"


def test_depths_fetch_what_they_say(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """Blobless leaves old contents behind, shallow old commits too, full nothing."""
    seed = git.clone_repository(remote.url, tmp_path / "seed", settings=settings)
    push_file(seed, "main", "README.md", "second\n")

    found = {}
    for depth in Depth:
        clone = git.clone_repository(
            remote.url, tmp_path / depth.value, settings=settings, depth=depth
        )
        here = clone.run("rev-list", "--objects", "--all", "--missing=print").stdout.splitlines()
        missing = sum(line.startswith("?") for line in here)
        commits = int(clone.run("rev-list", "--count", "HEAD").stdout)
        found[depth] = (commits, missing > 0)

    assert found == {
        Depth.BLOBLESS: (2, True),
        Depth.SHALLOW: (1, False),
        Depth.FULL: (2, False),
    }


def test_a_server_that_cannot_filter_sends_everything(settings: Settings, tmp_path: Path) -> None:
    """Where the remote has filters off, the blobless clone is a full one."""
    bare = tmp_path / "bare.git"
    create_bare(bare, files={"a.txt": "a\n"})
    allowed = settings.changed(allow_local_repositories=True)

    clone = git.clone_repository(f"file://{bare}", tmp_path / "clone", settings=allowed)

    listed = clone.run("rev-list", "--objects", "--all", "--missing=print").stdout
    assert "?" not in listed
    assert (clone.folder / "a.txt").read_text() == "a\n"


def test_only_named_files_are_fetched_and_commits_keep_the_rest(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A sparse clone holds the named files alone; its commit leaves all others in place."""
    clone = git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, only=["HELLO.md"], checkout=False
    )

    commit_id = push_file(clone, "sparse", "HELLO.md")

    assert not (clone.folder / "README.md").exists()
    assert remote.git("ls-tree", "--name-only", commit_id).split() == ["HELLO.md", "README.md"]


def test_an_empty_repository_gets_its_first_commit(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A repository without a commit can be cloned, branched, committed to and pushed."""
    remote.server.create_repository("acme/empty", files={}, protected=[])
    url = f"{remote.base_url}/acme/empty.git"

    clone = git.clone_repository(url, tmp_path / "clone", settings=settings)
    commit_id = push_file(clone, "first", "a.txt")

    assert (clone.start, clone.default_branch) == (None, "main")
    assert git_for(url).run("ls-remote", url, cwd=tmp_path).stdout.split() == [
        commit_id,
        "refs/heads/first",
    ]


@pytest.mark.parametrize("name", ["a\u2028b", "a\u0085b", "HEAD", "origin", "-x", "ä/日本"])
def test_odd_branches_of_others_do_not_matter(
    remote: Remote, settings: Settings, tmp_path: Path, name: str
) -> None:
    """Whatever branches others have pushed, the repository can be cloned and worked on."""
    remote.git("update-ref", f"refs/heads/{name}", "main")

    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=settings)

    assert clone.default_branch == "main"
    assert name in {"HEAD", *clone.remote_branches}  # git itself cannot fetch one called HEAD
    assert push_file(clone, "feature", "a.txt") == remote.branches()["feature"]


def test_a_token_that_was_withheld_is_said_to_be(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """Where GIT_TOKEN_HOSTS kept the token back, the error names that setting."""
    picky = settings.changed(git_token_hosts=("gitlab.example.com",))

    with pytest.raises(AuthenticationFailed, match="GIT_TOKEN_HOSTS"):
        git.clone_repository(remote.url, tmp_path / "clone", settings=picky)


def test_the_servers_prose_does_not_choose_the_error(remote: Remote, clone: git.Repository) -> None:
    """A hook that talks of timeouts and 404 is a declined push, and is not tried again."""
    remote.server.set_push_rule(PROJECT, "connection timed out, returned error: 503, hung up")

    with pytest.raises(PushHookDeclined):
        push_file(clone, "feature", "a.txt")


def test_submodules_and_lfs_pointers_are_left_alone(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A submodule is not entered, a pointer not replaced, and a commit touches neither."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    remote.server.create_repository(
        "acme/big",
        files={
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            ".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = ../shop.git\n',
            "data.bin": pointer,
        },
        protected=[],
    )
    big = Remote(remote.server, remote.base_url, remote.server.root / "acme/big.git", "acme/big")
    tree = big.git("ls-tree", "main").splitlines()
    gitlink = f"160000 commit {remote.branches()['main']}\tsub"
    made = process.run(
        ["git", "mktree"],
        env=environment.for_child(),
        cwd=big.folder,
        stdin="\n".join([*tree, gitlink, ""]).encode(),
        timeout_s=20,
    ).stdout.strip()
    ident = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    commit = big.git(*ident, "commit-tree", made, "-m", "with a submodule")
    big.git("update-ref", "refs/heads/main", commit)

    clone = git.clone_repository(big.url, tmp_path / "clone", settings=settings)
    pushed = push_file(clone, "feature", "note.txt")

    assert list((clone.folder / "sub").iterdir()) == []
    assert (clone.folder / "data.bin").read_text() == pointer
    assert big.git("diff", "--name-status", commit, pushed) == "A\tnote.txt"


def test_a_hundred_thousand_files_are_cloned_changed_and_pushed(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """Size is no limit: 100,000 files in, 100,000 changed, one commit out."""
    count = 100_000
    names = {f"d{n % 317}/f{n}.txt": f"{n}\n" for n in range(count)}
    remote.server.create_repository("acme/huge", files=names, protected=[])
    huge = Remote(remote.server, remote.base_url, remote.server.root / "acme/huge.git", "acme/huge")

    clone = git.clone_repository(
        huge.url, tmp_path / "clone", settings=settings, depth=Depth.SHALLOW, checkout=False
    )
    git.create_branch(clone, "mass-change")
    for name in names:
        (clone.folder / name).write_bytes(b"changed\n")
    commit = git.commit_changes(clone, author=ADA)
    pushed = git.push_changes(clone, "mass-change")

    assert commit.files == count
    assert commit.subject == f"Update {count} files"
    assert huge.branches()["mass-change"] == pushed


def test_a_failed_clone_leaves_no_folder(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """When cloning fails on the way, its folder is gone, so that it can simply be tried again."""
    remote.server.faults.drop_next = 20

    with pytest.raises(NetworkError):
        git.clone_repository(remote.url, tmp_path / "clone", settings=settings)

    assert not (tmp_path / "clone").exists()
