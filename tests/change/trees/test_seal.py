"""Whoever writes into our clone while it is sealed is found out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.change.support import Desk, make_desk, run_git, write
from workflows.change.trees.seal import guard_clone
from workflows.core.errors import AgentFailed, ChangeRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, {"README.md": "x\n"})


def test_work_in_the_agents_folder_breaks_no_seal(desk: Desk) -> None:
    with guard_clone(desk.repository):
        write(desk.folder, "new.txt")
        run_git(desk.folder, "commit", "-q", "-a", "--allow-empty", "-m", "mine")
        desk.git("log")
    desk.snapshot()
    with guard_clone(desk.repository):
        pass


def _append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("\n")


def _replace_pack(git: Path) -> None:
    pack = next((git / "objects/pack").glob("*.pack"))
    state, content = pack.stat(), pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(content[:-1] + b"x")
    pack.chmod(state.st_mode)
    os.utime(pack, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    ("reach", "named"),
    [
        pytest.param(lambda git: _append(git / "config"), "config", id="config"),
        pytest.param(lambda git: write(git, "hooks/pre-push"), "pre-push", id="hook"),
        pytest.param(lambda git: write(git, "HEAD", "ref: refs/heads/x\n"), "HEAD", id="head"),
        pytest.param(lambda git: write(git, "info/attributes"), "attributes", id="attributes"),
        pytest.param(lambda git: write(git, "refs/replace/x"), "replace", id="replace"),
        pytest.param(lambda git: write(git, "shallow"), "shallow", id="shallow"),
        pytest.param(
            lambda git: write(git, "objects/info/alternates", "/x\n"), "alternates", id="alternates"
        ),
        pytest.param(lambda git: write(git, "objects/pack/pack-1.pack"), "pack-1", id="new-pack"),
        pytest.param(_replace_pack, "objects/pack", id="old-pack"),
        pytest.param(lambda git: (git / "packed-refs").unlink(), "packed-refs", id="gone"),
        pytest.param(lambda git: (git / "config").chmod(0o777), "config", id="mode"),
        pytest.param(lambda git: (git / "hooks").symlink_to("/tmp"), "hooks", id="link"),  # noqa: S108
        pytest.param(lambda git: os.mkfifo(git / "info"), "info", id="fifo"),
        pytest.param(lambda git: git.rename(git.with_name(".other")), ".git", id="moved"),
        pytest.param(lambda git: write(git.parent, ".gitattributes"), "attributes", id="tree"),
        pytest.param(lambda git: next((git / "exported").iterdir()).unlink(), "exported", id="i"),
    ],
)
def test_a_write_into_our_clone_is_refused_by_name(
    desk: Desk, reach: Callable[[Path], object], named: str
) -> None:
    with pytest.raises(ChangeRefused, match="our clone was changed") as caught:  # noqa: SIM117
        with guard_clone(desk.repository):
            reach(desk.folder / ".." / "clone" / ".git")

    assert named in caught.value.why


def test_an_error_in_the_block_is_passed_on_unless_the_clone_was_touched(desk: Desk) -> None:
    with pytest.raises(AgentFailed), guard_clone(desk.repository):
        raise AgentFailed("no")
    with pytest.raises(ChangeRefused), guard_clone(desk.repository):  # noqa: PT012
        write(desk.repository.folder, ".git/hooks/pre-push")
        raise AgentFailed("no")
