"""Commits written to folders and read back, whatever whoever worked there left behind."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.change.support import (
    Desk,
    clone,
    commit_all,
    make_desk,
    make_remote,
    run_git,
    write,
)
from workflows.change import paths, trees, worktree
from workflows.change.model import EXECUTABLE, FILE, SUBMODULE, SYMLINK
from workflows.change.policy import Limits, judge
from workflows.core.errors import ChangeRefused, ProcessFailed, WorkflowsError

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.change.model import Change

FILES: dict[str, str | bytes] = {
    "README.md": "# shop\n",
    "src/main.py": "print('hello')\n",
    "src/run.sh": "#!/bin/sh\n",
    "logo.png": b"\x89PNG\0\1\2",
    ".gitignore": "*.log\nbuild/\n",
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, FILES)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that hostile commands would make."""
    return tmp_path / "a-command-ran"


def found(desk: Desk) -> list[Change]:
    return trees.changes(desk.repository, desk.base, desk.snapshot())


def statuses(desk: Desk) -> dict[str, str]:
    return {one.path: one.status for one in found(desk)}


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

    assert statuses(desk) == {"README.md": "M"}


def test_an_older_commit_is_exported_with_contents_that_the_clone_lacked(tmp_path: Path) -> None:
    remote = make_remote(tmp_path / "remote", FILES)
    old = run_git(remote, "rev-parse", "HEAD")
    (remote / "logo.png").unlink()
    write(remote, "README.md", "newer\n")
    commit_all(remote)
    repository = clone(remote, tmp_path / "clone")

    worktree.export(repository, repository.start, tmp_path / "new")
    worktree.export(repository, old, tmp_path / "old")

    assert (tmp_path / "old" / "README.md").read_text() == "# shop\n"
    assert run_git(tmp_path / "old", "status", "--porcelain") == ""
    assert run_git(tmp_path / "old", "rev-parse", "HEAD") == old
    assert not (tmp_path / "new" / "logo.png").exists()
    run_git(tmp_path / "new", "fsck")


def test_a_folder_can_be_exported_again_to_the_same_place(desk: Desk) -> None:
    (desk.folder / "README.md").unlink()
    desk.folder.rename(desk.folder.with_name("moved"))

    worktree.export(desk.repository, desk.base, desk.folder)

    assert (desk.folder / "README.md").exists()
    assert found(desk) == []


def test_a_failed_export_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(WorkflowsError):
        worktree.export(desk.repository, "1" * 40, tmp_path / "none")

    assert not (tmp_path / "none").exists()
    with pytest.raises(FileExistsError):
        worktree.export(desk.repository, desk.base, desk.folder)
    assert desk.folder.exists()


def test_an_empty_repository_begins_with_an_empty_folder(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, {})
    assert run_git(desk.folder, "status", "--porcelain") == ""
    assert desk.base is None

    write(desk.folder, "a/b.txt")

    assert statuses(desk) == {"a/b.txt": "A"}


def test_a_repository_with_sha256_ids_works_alike(tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    remote.mkdir()
    run_git(remote, "init", "-q", "--template=", "-b", "main", "--object-format=sha256")
    write(remote, "a.txt")
    commit_all(remote)
    repository = clone(remote, tmp_path / "clone")
    worktree.export(repository, repository.start, tmp_path / "work")
    desk = Desk(repository, tmp_path / "work")

    assert run_git(desk.folder, "status", "--porcelain") == ""
    assert found(desk) == []
    (desk.folder / "a.txt").unlink()
    assert statuses(desk) == {"a.txt": "D"}
    assert len(trees.changes(repository, None, desk.base_tree())) == 1


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

    by_path = {one.path: one for one in found(desk)}

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

    assert statuses(desk) == {"README.md": "M"}


def test_a_snapshot_is_the_same_twice_and_leaves_the_folder_alone(desk: Desk) -> None:
    write(desk.folder, "new.txt")
    before = (desk.folder / ".git" / "index").read_bytes()

    assert desk.snapshot() == desk.snapshot()
    assert (desk.folder / ".git" / "index").read_bytes() == before


def test_a_folder_that_was_not_exported_is_read_all_the_same(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, "README.md", "# shop\n")

    tree = worktree.snapshot(desk.repository, desk.base, other)

    assert {one.status for one in trees.changes(desk.repository, desk.base, tree)} == {"D"}


def test_deleting_everything_is_a_tree_with_nothing(desk: Desk) -> None:
    run_git(desk.folder, "rm", "-q", "-r", ".")

    assert set(statuses(desk).values()) == {"D"}
    assert len(found(desk)) == len(FILES)


def test_line_ends_that_attributes_turn_are_no_change(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, {".gitattributes": "* text=auto eol=crlf\n", "a.txt": "one\ntwo\n"})

    assert (desk.folder / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    (desk.folder / "a.txt").write_bytes(b"one\r\ntwo\r\n")  # written again, the same
    assert found(desk) == []
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
    assert statuses(desk) == {"b.txt": "A"}


def test_odd_names_arrive_as_they_are(desk: Desk) -> None:
    names = ["a\nb", 'quo"te', ":(top)x", "-rf", "tab\there", " lead", "ü", "back\\slash", "*"]
    for name in names:
        write(desk.folder, name)

    by_path = {one.path: one for one in found(desk)}

    assert by_path.keys() == set(names)
    refused = {one.path for one, _ in judge(by_path.values(), Limits(99, 99)).refused}
    assert refused == {"a\nb", "tab\there", "back\\slash"}


def test_a_name_that_is_not_utf8_is_refused_and_cannot_be_left_out(desk: Desk) -> None:
    (desk.folder / os.fsdecode(b"caf\xe9")).write_text("x")
    tree = desk.snapshot()
    changes = trees.changes(desk.repository, desk.base, tree)

    assert judge(changes, Limits(99, 99)).refused
    with pytest.raises(ValueError, match="UTF-8"):
        trees.without(desk.repository, desk.base, tree, [changes[0].path])


def test_ten_thousand_files_are_read_and_refused_as_a_whole(desk: Desk) -> None:
    first = write(desk.folder, "first")
    for number in range(9_999):
        (desk.folder / f"f{number}").hardlink_to(first)

    decision = judge(found(desk), Limits(max_files=300, max_file_bytes=1_000))

    assert len(decision.allowed) == 10_000
    assert decision.refusal() is not None


def test_a_large_file_is_left_out(desk: Desk) -> None:
    with (desk.folder / "large.bin").open("wb") as file:
        file.truncate(50_000_000)
    tree = desk.snapshot()
    (large,) = trees.changes(desk.repository, desk.base, tree)
    decision = judge([large], Limits(300, 1_000_000))

    assert (large.size_bytes, large.is_binary) == (50_000_000, True)
    assert [rule.name for _, rule in decision.left_out] == ["too large"]
    assert trees.without(desk.repository, desk.base, tree, [large.path]) == desk.base_tree()


def test_a_huge_file_is_not_even_read(desk: Desk) -> None:
    with (desk.folder / "huge").open("wb") as file:
        file.truncate(10**12)
    write(desk.folder, "small.txt")

    assert statuses(desk) == {"small.txt": "A"}


# --- snapshot: hostile folders -----------------------------------------------------------------


def _command(marker: Path) -> str:
    return f"touch {marker}; cat"


def _everything_that_runs(marker: Path) -> str:
    command = _command(marker)
    return "\n".join([
        f'[filter "evil"]\n clean = "{command}"\n smudge = "{command}"\n process = "{command}"',
        " required = true",
        f'[core]\n fsmonitor = "{command}"\n sshCommand = "{command}"\n editor = "{command}"',
        f' pager = "{command}"\n alternateRefsCommand = "{command}"\n hooksPath = .evil',
        f'[diff]\n external = "{command}"\n[diff "evil"]\n textconv = "{command}"',
        f' command = "{command}"\n[gpg]\n program = "{command}"\n[commit]\n gpgSign = true',
        f'[merge "evil"]\n driver = "{command}"\n[credential]\n helper = "!{command}"',
        "",
    ])  # fmt: skip


def _plant_hooks(folder: Path, marker: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("pre-commit", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (folder / name).chmod(0o755)


def test_nothing_that_the_folder_names_is_run(desk: Desk, marker: Path) -> None:
    """Hooks, filters, diff drivers, fsmonitor and ssh commands, by configuration and attributes."""
    git = desk.folder / ".git"
    with (git / "config").open("a") as file:
        file.write(_everything_that_runs(marker))
    _plant_hooks(git / "hooks", marker)
    _plant_hooks(desk.folder / ".evil", marker)
    write(git, "info/attributes", "* filter=evil diff=evil merge=evil\n")
    write(desk.folder, ".gitattributes", "* filter=evil diff=evil merge=evil\n")
    write(desk.folder, "sub/.gitattributes", "* filter=evil ident working-tree-encoding=UTF-8\n")
    write(desk.folder, "sub/a.txt", "text\n")
    write(desk.folder, "README.md", "changed\n")

    tree = desk.snapshot()
    changes = trees.changes(desk.repository, desk.base, tree)
    trees.diff_text(desk.repository, desk.base, tree, limit_bytes=10_000)
    trees.stat(desk.repository, desk.base, tree)
    rest = trees.without(desk.repository, desk.base, tree, [".gitattributes"])

    assert not marker.exists()
    assert {"README.md", "sub/a.txt"} <= {one.path for one in changes}
    assert desk.git("cat-file", "blob", f"{rest}:sub/a.txt") == "text"
    with suppress(CalledProcessError):
        run_git(desk.folder, "add", "sub/a.txt")
    assert marker.exists(), "the trap is real: git in the folder itself runs it"


@pytest.mark.parametrize("case", ["file", "folder", "gone", "link"])
def test_what_became_of_dot_git_makes_no_difference(desk: Desk, tmp_path: Path, case: str) -> None:
    other = make_remote(tmp_path / "other", {"other.txt": "x\n"})
    desk.folder.joinpath(".git").rename(tmp_path / "taken")
    if case == "file":
        write(desk.folder, ".git", f"gitdir: {other}/.git\n")
    elif case == "folder":
        run_git(desk.folder, "init", "-q")
    elif case == "link":
        (desk.folder / ".git").symlink_to(desk.repository.folder / ".git")
    write(desk.folder, "README.md", "new\n")

    assert statuses(desk) == {"README.md": "M"}


def test_a_replaced_object_is_not_believed(desk: Desk) -> None:
    """A replace ref in our clone would show another tree than the one that is pushed."""
    write(desk.folder, ".gitlab-ci.yml", "x: y\n")
    tree = desk.snapshot()
    desk.git("replace", tree, desk.base_tree())

    changes = trees.changes(desk.repository, desk.base, tree)

    assert [one.path for one in changes] == [".gitlab-ci.yml"]


def test_a_nested_repository_is_a_submodule_and_refused(desk: Desk) -> None:
    nested = make_remote(desk.folder / "nested", {"a.txt": "a\n"})

    (one,) = found(desk)

    assert (one.path, one.new_mode) == ("nested", SUBMODULE)
    assert one.new_id == run_git(nested, "rev-parse", "HEAD")
    assert judge([one], Limits(9, 9)).refused


def test_a_nested_repository_without_a_commit_is_refused_by_name(desk: Desk) -> None:
    (desk.folder / "nested").mkdir()
    run_git(desk.folder / "nested", "init", "-q")
    write(desk.folder, "nested/a.txt")

    with pytest.raises(ChangeRefused, match="nested"):
        desk.snapshot()


@pytest.fixture
def with_submodule(tmp_path: Path) -> Desk:
    """A project with a submodule `lib`, which is not entered."""
    library = make_remote(tmp_path / "library", {"a.txt": "a\n"})
    remote = make_remote(tmp_path / "remote", {"README.md": "x\n"})
    commit = run_git(library, "rev-parse", "HEAD")
    write(remote, ".gitmodules", '[submodule "lib"]\npath = lib\nurl = ../library\nignore = all\n')
    run_git(remote, "add", ".gitmodules")
    run_git(remote, "update-index", "--add", "--cacheinfo", f"{SUBMODULE},{commit},lib")
    run_git(remote, "commit", "-q", "-m", "submodule")
    repository = clone(remote, tmp_path / "clone")
    worktree.export(repository, repository.start, tmp_path / "work")
    return Desk(repository, tmp_path / "work")


def test_an_empty_submodule_is_no_change(with_submodule: Desk) -> None:
    assert (with_submodule.folder / "lib").is_dir()
    assert found(with_submodule) == []


def test_a_removed_submodule_is_refused(with_submodule: Desk) -> None:
    (with_submodule.folder / "lib").rmdir()

    decision = judge(found(with_submodule), Limits(9, 9))

    assert [one.path for one, _ in decision.refused] == ["lib"]


def test_a_submodule_filled_in_by_an_enemy_runs_nothing(
    with_submodule: Desk, marker: Path, tmp_path: Path
) -> None:
    """To see whether a submodule is dirty, git runs git inside, with the configuration there."""
    lib = with_submodule.folder / "lib"
    lib.rmdir()
    run_git(tmp_path, "clone", "-q", str(tmp_path / "library"), str(lib))
    with (lib / ".git" / "config").open("a") as file:
        file.write(_everything_that_runs(marker))
    _plant_hooks(lib / ".evil", marker)
    write(lib, ".git/info/attributes", "* filter=evil\n")
    write(lib, "a.txt", "b\n")
    write(with_submodule.folder, "README.md", "new\n")

    assert statuses(with_submodule) == {"README.md": "M"}
    assert not marker.exists()


def test_a_submodule_changed_in_a_tree_is_seen_though_gitmodules_hides_it(
    with_submodule: Desk,
) -> None:
    desk = with_submodule
    listing = desk.git("ls-tree", f"{desk.base}").replace(
        desk.git("rev-parse", f"{desk.base}:lib"), desk.base or ""
    )
    tree = desk.git("mktree", stdin=f"{listing}\n".encode())
    desk.git("checkout", "-q", "--force", "HEAD")  # .gitmodules is there to be read

    assert [one.path for one in trees.changes(desk.repository, desk.base, tree)] == ["lib"]


def test_links_are_read_as_links_and_never_followed(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "main.py", "secret\n")
    write(outside, "more.txt", "secret\n")
    (desk.folder / "passwd").symlink_to("/etc/passwd")
    (desk.folder / "src").rename(tmp_path / "src")
    (desk.folder / "src").symlink_to(outside)

    by_path = {one.path: one for one in found(desk)}
    refused = {one.path for one, _ in judge(by_path.values(), Limits(9, 9)).refused}

    assert by_path["passwd"].link_target == "/etc/passwd"
    assert by_path["src"].link_target == str(outside)
    assert by_path["src/main.py"].is_gone
    assert not any(path.endswith("more.txt") for path in by_path)
    assert refused == {"passwd", "src"}


def test_a_link_with_a_treacherous_target_is_read_whole(desk: Desk) -> None:
    targets = {"one": "a\nb", "two": "x" * 4_000, "three": os.fsdecode(b"caf\xe9"), "four": "\n"}
    for name, target in targets.items():
        (desk.folder / name).symlink_to(target)

    told = {one.path: one.link_target for one in found(desk)}

    assert told == targets | {"three": "caf\ufffd"}


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_special_files_are_passed_over(desk: Desk, kind: str, tmp_path: Path) -> None:
    path = desk.folder / "special"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
        (tmp_path / "s").rename(path)
    write(desk.folder, "a.txt")

    assert statuses(desk) == {"a.txt": "A"}


@pytest.mark.parametrize("name", [".gitignore", "src/.gitattributes", "src/.GITIGNORE"])
def test_a_fifo_that_git_would_wait_for_is_refused(desk: Desk, name: str) -> None:
    path = desk.folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)

    with pytest.raises(ChangeRefused, match=path.name):
        desk.snapshot()


def test_a_fifo_in_place_of_a_file_is_refused_by_name(desk: Desk) -> None:
    (desk.folder / "README.md").unlink()
    os.mkfifo(desk.folder / "README.md")

    with pytest.raises(ChangeRefused, match=r"README\.md"):
        desk.snapshot()


@pytest.mark.parametrize("name", [".GIT/config", "sub/.Git/config", "git~1/config"])
def test_other_spellings_of_dot_git_do_not_become_part_of_a_tree(desk: Desk, name: str) -> None:
    write(desk.folder, name, "[core]\n")

    with pytest.raises(ChangeRefused, match=name.split("/")[-2]):
        desk.snapshot()


def test_an_ignore_file_without_end_is_refused(desk: Desk) -> None:
    with (desk.folder / ".gitignore").open("wb") as file:
        file.truncate(10**12)

    with pytest.raises(ChangeRefused, match="gitignore"):
        desk.snapshot()


def test_folders_deeper_than_a_path_can_say_are_refused(desk: Desk) -> None:
    place = os.open(desk.folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=place)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)

    with pytest.raises(ChangeRefused, match="too long"):
        desk.snapshot()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
@pytest.mark.parametrize("name", ["README.md", "src"])
def test_what_cannot_be_read_is_refused_by_name_and_not_deleted(desk: Desk, name: str) -> None:
    path = desk.folder / name
    write(desk.folder, "README.md", "new\n")
    path.chmod(0)
    try:
        with pytest.raises(ChangeRefused, match=name):
            desk.snapshot()
    finally:
        path.chmod(0o755)


@pytest.mark.parametrize("case", ["gone", "link", "file"])
def test_a_folder_that_is_none_any_more_is_refused(desk: Desk, tmp_path: Path, case: str) -> None:
    desk.folder.rename(tmp_path / "moved")
    if case == "link":
        desk.folder.symlink_to(tmp_path)
    elif case == "file":
        write(tmp_path, desk.folder.name)

    with pytest.raises(ChangeRefused, match="gone, or is a link"):
        desk.snapshot()


def test_protected_files_are_seen_wherever_they_go(tmp_path: Path) -> None:
    desk = make_desk(
        tmp_path, {".gitlab-ci.yml": "a: b\n", "sub/.gitlab-ci.yml": "c: d\n", "x.txt": "x\n"}
    )
    (desk.folder / ".gitlab-ci.yml").chmod(0o755)
    (desk.folder / "sub/.gitlab-ci.yml").rename(desk.folder / "sub/moved.yml")
    (desk.folder / "x.txt").rename(desk.folder / "CODEOWNERS")

    decision = judge(found(desk), Limits(9, 999))

    assert [one.path for one, _ in decision.refused] == [
        ".gitlab-ci.yml",
        "CODEOWNERS",
        "sub/.gitlab-ci.yml",
    ]


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
    worktree.export(desk.repository, commit, folder)

    tree = worktree.snapshot(desk.repository, commit, folder)
    unsaved = worktree.snapshot(desk.repository, None, folder)

    assert tree == unsaved == desk.git("rev-parse", f"{commit}^{{tree}}")


def test_a_full_disk_is_not_the_agents_fault() -> None:
    from workflows.core.process import Completed

    done = Completed(("git",), 128, "", "error: No space left on device\n", 0.1, truncated=False)

    assert isinstance(worktree._unreadable(done), ProcessFailed)
