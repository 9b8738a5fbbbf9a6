"""Commits written to folders and read back, whatever whoever worked there left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.change.support import (
    FILES,
    Desk,
    clone,
    commit_all,
    make_desk,
    make_remote,
    run_git,
    write,
)
from workflows.change.policy.policy import PolicyLimits, judge_changes
from workflows.change.trees import paths, trees, worktree
from workflows.change.trees.file_change import EXECUTABLE, FILE, SYMLINK
from workflows.core.errors import WorkflowsError

if TYPE_CHECKING:
    from pathlib import Path


# --- export ------------------------------------------------------------------------------------


def test_an_exported_folder_is_that_very_commit_and_clean(desk: Desk) -> None:
    assert run_git(desk.folder, "rev-parse", "HEAD") == desk.base
    assert run_git(desk.folder, "status", "--porcelain", "--ignored") == ""
    assert run_git(desk.folder, "symbolic-ref", "HEAD") == "refs/heads/work"
    assert run_git(desk.folder, "log", "--format=%s") == "change"
    assert (desk.folder / "logo.png").read_bytes() == FILES["logo.png"]
    run_git(desk.folder, "fsck", "--strict")


def test_an_exported_folder_knows_nothing_of_our_clone(desk: Desk) -> None:
    told = [
        path.read_bytes()
        for path in (desk.folder / ".git").rglob("*")
        if path.is_file() and path.suffix not in {".pack", ".idx"}
    ]

    assert run_git(desk.folder, "remote") == ""
    assert not any(os.fsencode(desk.repository.folder.parent) in data for data in told)
    assert all(path.stat().st_nlink == 1 for path in desk.folder.rglob("*") if path.is_file())


def test_somebody_can_commit_in_an_exported_folder_and_it_makes_no_difference(desk: Desk) -> None:
    write(desk.folder, "README.md", "new\n")
    run_git(desk.folder, "commit", "-q", "-a", "-m", "mine")

    assert desk.statuses() == {"README.md": "M"}


def test_an_older_commit_is_exported_with_contents_that_the_clone_lacked(tmp_path: Path) -> None:
    remote = make_remote(tmp_path / "remote", FILES)
    old = run_git(remote, "rev-parse", "HEAD")
    (remote / "logo.png").unlink()
    write(remote, "README.md", "newer\n")
    commit_all(remote)
    repository = clone(remote, tmp_path / "clone")

    worktree.export_files(repository, repository.start, tmp_path / "new")
    worktree.export_files(repository, old, tmp_path / "old")

    assert (tmp_path / "old" / "README.md").read_text() == "# shop\n"
    assert run_git(tmp_path / "old", "status", "--porcelain") == ""
    assert run_git(tmp_path / "old", "rev-parse", "HEAD") == old
    assert not (tmp_path / "new" / "logo.png").exists()
    run_git(tmp_path / "new", "fsck")


def test_a_folder_can_be_exported_again_to_the_same_place(desk: Desk) -> None:
    (desk.folder / "README.md").unlink()
    desk.folder.rename(desk.folder.with_name("moved"))

    worktree.export_files(desk.repository, desk.base, desk.folder)

    assert (desk.folder / "README.md").exists()
    assert desk.changes() == []


def test_a_failed_export_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(WorkflowsError):
        worktree.export_files(desk.repository, "1" * 40, tmp_path / "none")

    assert not (tmp_path / "none").exists()
    with pytest.raises(FileExistsError):
        worktree.export_files(desk.repository, desk.base, desk.folder)
    assert desk.folder.exists()


def test_an_empty_repository_begins_with_an_empty_folder(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, {})
    assert run_git(desk.folder, "status", "--porcelain") == ""
    assert desk.base is None

    write(desk.folder, "a/b.txt")

    assert desk.statuses() == {"a/b.txt": "A"}


def test_a_repository_with_sha256_ids_works_alike(tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    remote.mkdir()
    run_git(remote, "init", "-q", "--template=", "-b", "main", "--object-format=sha256")
    write(remote, "a.txt")
    commit_all(remote)
    repository = clone(remote, tmp_path / "clone")
    worktree.export_files(repository, repository.start, tmp_path / "work")
    desk = Desk(repository, tmp_path / "work")

    assert run_git(desk.folder, "status", "--porcelain") == ""
    assert desk.changes() == []
    (desk.folder / "a.txt").unlink()
    assert desk.statuses() == {"a.txt": "D"}
    assert len(trees.file_changes(repository, None, desk.base_tree())) == 1


# --- snapshot: ordinary work -------------------------------------------------------------------


def test_nothing_changed_is_the_bases_tree(desk: Desk) -> None:
    assert desk.snapshot() == desk.base_tree()


def test_changes_are_seen_as_git_sees_them(desk: Desk) -> None:
    write(desk.folder, "README.md", "# new\n")
    write(desk.folder, "docs/guide.md", "guide\n")
    (desk.folder / "src/main.py").rename(desk.folder / "src/app.py")
    (desk.folder / "src/run.sh").chmod(0o755)
    write(desk.folder, "debug.log")
    write(desk.folder, "build/out.o", b"\0")
    (desk.folder / "link").symlink_to("docs/guide.md")

    by_path = {one.path: one for one in desk.changes()}

    assert {path: one.status for path, one in by_path.items()} == {
        "README.md": "M",
        "docs/guide.md": "A",
        "link": "A",
        "src/app.py": "A",
        "src/main.py": "D",
        "src/run.sh": "M",
    }
    assert by_path["README.md"].size_bytes == 6
    assert by_path["README.md"].old_size_bytes == 7
    assert (by_path["src/run.sh"].old_mode, by_path["src/run.sh"].new_mode) == (FILE, EXECUTABLE)
    assert by_path["src/run.sh"].is_known
    assert by_path["src/app.py"].is_known
    assert not by_path["docs/guide.md"].is_known
    assert by_path["link"].new_mode == SYMLINK
    assert by_path["link"].link_target == "docs/guide.md"
    assert not any(one.is_binary for one in by_path.values())


def test_a_change_in_the_same_second_and_of_the_same_size_is_seen(desk: Desk) -> None:
    path = desk.folder / "README.md"
    before = path.stat()
    path.write_text("# SHOP\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert desk.statuses() == {"README.md": "M"}


def test_a_snapshot_is_the_same_twice_and_leaves_the_folder_alone(desk: Desk) -> None:
    write(desk.folder, "new.txt")
    before = (desk.folder / ".git" / "index").read_bytes()

    assert desk.snapshot() == desk.snapshot()
    assert (desk.folder / ".git" / "index").read_bytes() == before


def test_a_folder_that_was_not_exported_is_read_all_the_same(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, "README.md", "# shop\n")

    tree = worktree.snapshot_folder(desk.repository, desk.base, other)

    assert {one.status for one in trees.file_changes(desk.repository, desk.base, tree)} == {"D"}


def test_deleting_everything_is_a_tree_with_nothing(desk: Desk) -> None:
    run_git(desk.folder, "rm", "-q", "-r", ".")

    assert set(desk.statuses().values()) == {"D"}
    assert len(desk.changes()) == len(FILES)


def test_line_ends_that_attributes_turn_are_no_change(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, {".gitattributes": "* text=auto eol=crlf\n", "a.txt": "one\ntwo\n"})

    assert (desk.folder / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    (desk.folder / "a.txt").write_bytes(b"one\r\ntwo\r\n")  # written again, the same
    assert desk.changes() == []
    (desk.folder / "a.txt").write_bytes(b"one\r\n2\r\n")
    text = trees.diff_text(desk.repository, desk.base, desk.snapshot(), limit_bytes=10_000)
    assert text.endswith(" one\n-two\n+2\n")


def test_lfs_pointers_stay_pointers(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    desk = make_desk(
        tmp_path,
        {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "a.bin": pointer},
    )

    assert (desk.folder / "a.bin").read_text() == pointer
    write(desk.folder, "b.txt")
    assert desk.statuses() == {"b.txt": "A"}


def test_odd_names_arrive_as_they_are(desk: Desk) -> None:
    names = ["a\nb", 'quo"te', ":(top)x", "-rf", "tab\there", " lead", "ü", "back\\slash", "*"]
    for name in names:
        write(desk.folder, name)

    by_path = {one.path: one for one in desk.changes()}

    assert by_path.keys() == set(names)
    refused = {one.path for one, _ in judge_changes(by_path.values(), PolicyLimits(99, 99)).refused}
    assert refused == {"a\nb", "tab\there", "back\\slash"}


def test_a_name_that_is_not_utf8_is_refused_and_cannot_be_left_out(desk: Desk) -> None:
    (desk.folder / os.fsdecode(b"caf\xe9")).write_text("x")
    tree = desk.snapshot()
    changes = trees.file_changes(desk.repository, desk.base, tree)

    assert judge_changes(changes, PolicyLimits(99, 99)).refused
    with pytest.raises(ValueError, match="UTF-8"):
        trees.tree_without(desk.repository, desk.base, tree, [changes[0].path])


def test_ten_thousand_files_are_read_and_refused_as_a_whole(desk: Desk) -> None:
    first = write(desk.folder, "first")
    for number in range(9_999):
        (desk.folder / f"f{number}").hardlink_to(first)

    decision = judge_changes(desk.changes(), PolicyLimits(max_files=300, max_file_bytes=1_000))

    assert len(decision.allowed) == 10_000
    assert decision.refusal() is not None


def test_a_large_file_is_left_out(desk: Desk) -> None:
    with (desk.folder / "large.bin").open("wb") as file:
        file.truncate(50_000_000)
    tree = desk.snapshot()
    (large,) = trees.file_changes(desk.repository, desk.base, tree)
    decision = judge_changes([large], PolicyLimits(300, 1_000_000))

    assert (large.size_bytes, large.is_binary) == (50_000_000, True)
    assert [rule.name for _, rule in decision.left_out] == ["too large"]
    assert trees.tree_without(desk.repository, desk.base, tree, [large.path]) == desk.base_tree()


def test_a_huge_file_is_not_even_read(desk: Desk) -> None:
    with (desk.folder / "huge").open("wb") as file:
        file.truncate(10**12)
    write(desk.folder, "small.txt")

    assert desk.statuses() == {"small.txt": "A"}


# --- round trip --------------------------------------------------------------------------------

_PART = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=6,
).filter(lambda s: not paths.has_git_name(s) and not s.startswith(".git"))
_PATH = st.lists(_PART, min_size=1, max_size=3).map("/".join)
_CONTENT = st.tuples(st.sampled_from([FILE, EXECUTABLE, SYMLINK]), st.binary(max_size=40))


def _tree_of(desk: Desk, files: dict[str, tuple[str, bytes]]) -> str:
    """A commit with these files, made without any working tree."""
    out = [b"commit refs/heads/random\ncommitter A <a@b> 0 +0000\ndata 0\n"]
    for path, (mode, content) in files.items():
        data = content.replace(b"\0", b"") or b"x" if mode == SYMLINK else content
        name = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        out.append(f'M {mode} inline "{name}"\ndata {len(data)}\n'.encode() + data + b"\n")
    desk.git("fast-import", "--quiet", "--force", stdin=b"".join(out))
    return desk.git("rev-parse", "refs/heads/random")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(_PATH, _CONTENT, max_size=6))
def test_any_tree_comes_back_as_it_was(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[str, bytes]]
) -> None:
    commit = _tree_of(desk, files)
    folder = tmp_path_factory.mktemp("round") / "work"
    worktree.export_files(desk.repository, commit, folder)

    tree = worktree.snapshot_folder(desk.repository, commit, folder)
    unsaved = worktree.snapshot_folder(desk.repository, None, folder)

    assert tree == unsaved == desk.git("rev-parse", f"{commit}^{{tree}}")
