"""Trees compared, put together, committed and shown, on real git."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.change.support import (
    Desk,
    clone,
    commit_all,
    make_desk,
    make_remote,
    run_git,
    write,
)
from tests.support import TOKEN
from workflows.change.trees import trees, worktree
from workflows.core.errors import NothingToCommit
from workflows.core.git.commit_text import CommitIdentity
from workflows.tasks import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Remote
    from workflows.core.config.settings import Settings

ADA = CommitIdentity("Ada Lovelace", "ada@example.com")


def test_git_that_looks_at_trees_has_no_credential_and_no_network(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    repository = git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, checkout=False
    )

    told = trees.run_offline(repository, "-c", "alias.show-env=!env", "show-env").stdout
    fetched = trees.run_offline(repository, "fetch", "origin", check=False)

    assert TOKEN not in told
    assert TOKEN in repository.run("-c", "alias.show-env=!env", "show-env").stdout
    assert fetched.exit_code
    assert "not allowed" in fetched.stderr


def test_old_contents_are_never_fetched_to_list_changes(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    repository = git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, checkout=False
    )
    blob = repository.run("hash-object", "-w", "--stdin", stdin=b"new\n").stdout.strip()
    listing = f"100644 blob {blob}\tREADME.md\n100644 blob {blob}\tb.txt\n"
    tree = repository.run("mktree", stdin=listing.encode()).stdout.strip()
    asked = len(remote.server.requests)

    changes = trees.file_changes(repository, repository.start, tree)

    assert [(one.path, one.size_bytes, one.old_size_bytes) for one in changes] == [
        ("README.md", 4, None),
        ("b.txt", 4, None),
    ]
    assert len(remote.server.requests) == asked
    assert "-# acme/shop\n+new\n" in trees.diff_text(
        repository, repository.start, tree, limit_bytes=1_000
    )


def test_binary_is_what_git_calls_binary(desk: Desk) -> None:
    write(desk.folder, "nul.txt", b"a" * 7_999 + b"\0")
    write(desk.folder, "late.txt", b"a" * 8_000 + b"\0")
    write(desk.folder, "latin.txt", b"caf\xe9\n" * 3_000)
    write(desk.folder, "empty.txt", b"")
    (desk.folder / "moved.png").write_bytes((desk.folder / "logo.png").read_bytes())
    (desk.folder / "logo.png").unlink()

    by_path = {
        one.path: one for one in trees.file_changes(desk.repository, desk.base, desk.snapshot())
    }

    assert {path for path, one in by_path.items() if one.is_binary} == {"nul.txt", "moved.png"}
    assert by_path["moved.png"].is_known
    assert by_path["empty.txt"].size_bytes == 0


def test_a_file_that_looks_like_gits_answer_hides_nothing(desk: Desk) -> None:
    write(desk.folder, "a.txt", "0" * 40 + " blob 3\nabc\n" + "1" * 40 + " missing\n")
    (desk.folder / "b").symlink_to("1" * 40 + " blob 4\nREADME.md")

    changes = trees.file_changes(desk.repository, desk.base, desk.snapshot())

    assert [one.path for one in changes] == ["a.txt", "b"]
    assert changes[1].link_target == "1" * 40 + " blob 4\nREADME.md"


def test_many_large_texts_are_looked_into_batch_by_batch(desk: Desk) -> None:
    for number in range(5):
        write(desk.folder, f"{number}.txt", f"{number}" * 5_000_000)
    write(desk.folder, "6.bin", b"\0" * 5_000_000)

    changes = trees.file_changes(desk.repository, desk.base, desk.snapshot())

    assert [one.is_binary for one in changes] == [False] * 5 + [True]


def test_paths_left_out_are_what_the_base_has(desk: Desk) -> None:
    write(desk.folder, "README.md", "changed\n")
    write(desk.folder, "src/main.py", "changed\n")
    write(desk.folder, "new/deep/a.txt")
    write(desk.folder, 'we"ird\nname')
    (desk.folder / "logo.png").unlink()
    tree = desk.snapshot()

    rest = trees.tree_without(
        desk.repository, desk.base, tree,
        ["README.md", "logo.png", "new/deep/a.txt", 'we"ird\nname', "not/there"],
    )  # fmt: skip

    assert [one.path for one in trees.file_changes(desk.repository, desk.base, rest)] == [
        "src/main.py"
    ]
    assert trees.tree_without(desk.repository, desk.base, tree, []) == tree


def test_everything_left_out_is_the_bases_tree_or_none(desk: Desk) -> None:
    write(desk.folder, "new.txt")
    (desk.folder / "src/main.py").unlink()
    tree = desk.snapshot()
    everything = [one.path for one in trees.file_changes(desk.repository, desk.base, tree)]

    assert trees.tree_without(desk.repository, desk.base, tree, everything) == desk.base_tree()


def test_a_commit_is_as_commit_changes_makes_it_and_can_be_pushed(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    repository = git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, checkout=False
    )
    worktree.export_files(repository, repository.start, tmp_path / "work")
    write(tmp_path / "work", "new.txt")
    tree = worktree.snapshot_folder(repository, repository.start, tmp_path / "work")

    commit = trees.commit_tree(
        repository,
        tree,
        parent=repository.start,
        author=ADA,
        message="  Add a file  \n\n\n\nBecause of #1.   \n\n",
        co_authors=[CommitIdentity("Bo", "bo@example.com")],
    )
    pushed = git.push_changes(repository, "feature", options=["ci.skip"])

    assert pushed == commit.id == remote.branches()["feature"]
    assert (commit.subject, commit.files) == ("Add a file", 1)
    assert remote.git("log", "-1", "--format=%P %T", "feature") == f"{repository.start} {tree}"
    assert remote.git("log", "-1", "--format=%an %ae %cn %ce", "feature") == (
        "Ada Lovelace ada@example.com Ada Lovelace ada@example.com"
    )
    assert remote.git("log", "-1", "--format=%B", "feature") == (
        "Add a file\n\nBecause of #1.\n\nCo-authored-by: Bo <bo@example.com>"
    )


def test_both_ways_to_commit_make_the_same_message(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    message = "\n\n Title \t\n  body\n\n\n# not a comment\n \n\x0b"
    files = git.clone_repository(remote.url, tmp_path / "files", settings=settings)
    write(files.folder, "a.txt")
    one = git.commit_changes(files, author=ADA, message=message)
    plain = git.clone_repository(remote.url, tmp_path / "plain", settings=settings, checkout=False)
    tree = files.run("rev-parse", "HEAD^{tree}").stdout.strip()
    plain.run("fetch", "-q", str(files.folder), "HEAD", check=False)
    worktree.export_files(plain, plain.start, tmp_path / "work")
    write(tmp_path / "work", "a.txt")

    two = trees.commit_tree(
        plain,
        worktree.snapshot_folder(plain, plain.start, tmp_path / "work"),
        parent=plain.start,
        author=ADA,
        message=message,
    )

    def text(repository: git.Repository) -> str:
        return repository.run("log", "-1", "--format=%B%T").stdout

    assert text(files) == text(plain)
    assert tree in text(plain)
    assert (one.subject, one.files) == (two.subject, two.files)
    assert one.subject == "Title"


def test_without_a_message_the_files_are_named_and_nothing_is_no_commit(desk: Desk) -> None:
    (desk.folder / "logo.png").unlink()
    write(desk.folder, "README.md", "x\n")

    commit = trees.commit_tree(desk.repository, desk.snapshot(), parent=desk.base, author=ADA)

    assert commit.subject == "Update README.md and delete logo.png"
    assert git.current_commit(desk.repository) == commit.id
    with pytest.raises(NothingToCommit):
        trees.commit_tree(desk.repository, desk.base_tree(), parent=desk.base, author=ADA)


def test_the_first_commit_of_an_empty_repository(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, {})
    write(desk.folder, "a.txt")

    commit = trees.commit_tree(desk.repository, desk.snapshot(), parent=None, author=ADA)

    assert desk.git("log", "--format=%H %P", "HEAD") == commit.id
    assert trees.change_stat(desk.repository, None, commit.id) == trees.ChangeStat(1, 1, 0)


def test_a_diff_shows_renames_and_counts_them_once(desk: Desk) -> None:
    (desk.folder / "src/main.py").rename(desk.folder / "app.py")
    write(desk.folder, "app.py", "one\ntwo\nthree\n4\n")
    (desk.folder / "logo.png").write_bytes(b"\0")
    tree = desk.snapshot()

    text = trees.diff_text(desk.repository, desk.base, tree, limit_bytes=10_000)

    assert "rename from src/main.py\nrename to app.py\n" in text
    assert "-four\n+4\n" in text
    assert "Binary files a/logo.png and b/logo.png differ" in text
    assert trees.change_stat(desk.repository, desk.base, tree) == trees.ChangeStat(2, 1, 1)


def test_a_diff_is_bounded_and_harmless_to_a_terminal(desk: Desk) -> None:
    write(desk.folder, "a.txt", "x\x1b[2Jy\u202ez\r\n" + "line\n" * 1_000)
    tree = desk.snapshot()

    text = trees.diff_text(desk.repository, desk.base, tree, limit_bytes=500)

    assert "+x\\x1b[2Jy\\u202ez\n" in text
    assert len(text.encode()) < 560
    assert text.endswith(" bytes left out …]\n")


def test_a_file_is_read_from_a_commit(tmp_path: Path) -> None:
    remote = make_remote(tmp_path / "remote", {"ci/a.yml": "a: b\n\n", ".gitlab-ci.yml": "é\n"})
    (remote / "link.yml").symlink_to("/etc/passwd")
    commit_all(remote)
    repository = clone(remote, tmp_path / "clone")

    def read(path: str, limit_bytes: int = 100) -> str | None:
        commit = run_git(remote, "rev-parse", "HEAD")
        return trees.read_file(repository, commit, path, limit_bytes=limit_bytes)

    assert read("ci/a.yml") == "a: b\n\n"
    assert read(".gitlab-ci.yml") == "é\n"
    assert read("ci/a.yml", 3) is None
    assert [read(p) for p in ("ci", "none", "", "../x", "a\nb", "ci/a.yml/x")] == [None] * 6
    assert read("link.yml") == "/etc/passwd"
