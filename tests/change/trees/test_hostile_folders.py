"""Folders that an enemy worked in: nothing of theirs is run, and nothing outside is read."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.change.support import (
    Desk,
    clone,
    make_desk,
    make_remote,
    run_git,
    write,
)
from workflows.change.policy.policy import PolicyLimits, judge_changes
from workflows.change.trees import trees, worktree
from workflows.change.trees.file_change import SUBMODULE
from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import ChangeRefused, ProcessFailed


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that hostile commands would make."""
    return tmp_path / "a-command-ran"


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
    changes = trees.file_changes(desk.repository, desk.base, tree)
    trees.diff_text(desk.repository, desk.base, tree, limit_bytes=10_000)
    trees.change_stat(desk.repository, desk.base, tree)
    rest = trees.tree_without(desk.repository, desk.base, tree, [".gitattributes"])

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

    assert desk.statuses() == {"README.md": "M"}


def test_a_replaced_object_is_not_believed(desk: Desk) -> None:
    """A replace ref in our clone would show another tree than the one that is pushed."""
    write(desk.folder, ".gitlab-ci.yml", "x: y\n")
    tree = desk.snapshot()
    desk.git("replace", tree, desk.base_tree())

    changes = trees.file_changes(desk.repository, desk.base, tree)

    assert [one.path for one in changes] == [".gitlab-ci.yml"]


def test_a_nested_repository_is_a_submodule_and_refused(desk: Desk) -> None:
    nested = make_remote(desk.folder / "nested", {"a.txt": "a\n"})

    (one,) = desk.changes()

    assert (one.path, one.new_mode) == ("nested", SUBMODULE)
    assert one.new_id == run_git(nested, "rev-parse", "HEAD")
    assert judge_changes([one], PolicyLimits(9, 9)).refused


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
    worktree.export_files(repository, repository.start, tmp_path / "work")
    return Desk(repository, tmp_path / "work")


def test_an_empty_submodule_is_no_change(with_submodule: Desk) -> None:
    assert (with_submodule.folder / "lib").is_dir()
    assert with_submodule.changes() == []


def test_a_removed_submodule_is_refused(with_submodule: Desk) -> None:
    (with_submodule.folder / "lib").rmdir()

    decision = judge_changes(with_submodule.changes(), PolicyLimits(9, 9))

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

    assert with_submodule.statuses() == {"README.md": "M"}
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

    assert [one.path for one in trees.file_changes(desk.repository, desk.base, tree)] == ["lib"]


def test_links_are_read_as_links_and_never_followed(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "main.py", "secret\n")
    write(outside, "more.txt", "secret\n")
    (desk.folder / "passwd").symlink_to("/etc/passwd")
    (desk.folder / "src").rename(tmp_path / "src")
    (desk.folder / "src").symlink_to(outside)

    by_path = {one.path: one for one in desk.changes()}
    refused = {one.path for one, _ in judge_changes(by_path.values(), PolicyLimits(9, 9)).refused}

    assert by_path["passwd"].link_target == "/etc/passwd"
    assert by_path["src"].link_target == str(outside)
    assert by_path["src/main.py"].is_gone
    assert not any(path.endswith("more.txt") for path in by_path)
    assert refused == {"passwd", "src"}


def test_a_link_with_a_treacherous_target_is_read_whole(desk: Desk) -> None:
    targets = {"one": "a\nb", "two": "x" * 4_000, "three": os.fsdecode(b"caf\xe9"), "four": "\n"}
    for name, target in targets.items():
        (desk.folder / name).symlink_to(target)

    told = {one.path: one.link_target for one in desk.changes()}

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

    assert desk.statuses() == {"a.txt": "A"}


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


@pytest.mark.parametrize("name", ["README.md", "src"])
def test_what_cannot_be_read_is_refused_by_name_and_not_deleted(
    desk: Desk, tmp_path: Path, name: str
) -> None:
    if os.geteuid() == 0 and os.access(unreadable(tmp_path), os.R_OK):
        again_as_one_who_may_not_read_all(tmp_path, name)
        return
    path = desk.folder / name
    write(desk.folder, "README.md", "new\n")
    path.chmod(0)
    try:
        with pytest.raises(ChangeRefused, match=name):
            desk.snapshot()
    finally:
        path.chmod(0o755)


def unreadable(folder: Path) -> Path:
    file = folder / "unreadable"
    file.touch(mode=0)
    return file


def again_as_one_who_may_not_read_all(folder: Path, name: str) -> None:
    """The same test in a process whose root has lost that right (setpriv(1), capabilities(7))."""
    test = "test_what_cannot_be_read_is_refused_by_name_and_not_deleted"
    done = process.run(
        [
            *("setpriv", "--bounding-set", "-dac_override,-dac_read_search", sys.executable),
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder / 'again'}"),
            f"{__file__}::{test}[{name}]",
        ],
        env=environment.for_child({"HOME": str(folder)}.items()),
        cwd=Path(__file__).parents[3],
        timeout_s=60,
        check=False,
    )
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


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

    decision = judge_changes(desk.changes(), PolicyLimits(9, 999))

    assert [one.path for one, _ in decision.refused] == [
        ".gitlab-ci.yml",
        "CODEOWNERS",
        "sub/.gitlab-ci.yml",
    ]


def test_a_full_disk_is_not_the_agents_fault() -> None:
    from workflows.core.process import Completed

    done = Completed(("git",), 128, "", "error: No space left on device\n", 0.1, truncated=False)

    assert isinstance(worktree._unreadable(done), ProcessFailed)
