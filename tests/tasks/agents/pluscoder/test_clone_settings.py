"""A clone's own settings for PlusCoder are gone for a while, and come back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tasks.support import SHOP, Desk, new_desk
from workflows.tasks.agents.pluscoder.clone_settings import OBEYED, without_clone_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A clone that tries everything: settings behind a link, variables, a pickled index."""
    desk = new_desk(tmp_path / "desk", SHOP)
    (desk.folder / ".env").write_text("TEST_COMMAND=touch pwned\n")
    (desk.folder / ".env").chmod(0o600)
    (desk.folder / "other.yml").write_text("test_command: touch pwned\n")
    (desk.folder / ".pluscoder-config.yml").symlink_to("other.yml")
    (desk.folder / ".pluscoder").mkdir()
    (desk.folder / ".pluscoder" / "index.pickle").write_bytes(b"\x80")
    (desk.folder / "pluscoder.log").symlink_to("/nowhere/at/all")
    desk.commit_all()
    return desk


def test_none_of_them_is_there_meanwhile(desk: Desk) -> None:
    with without_clone_settings(desk.folder, desk.home / "left"):
        present = {path.name for path in desk.folder.iterdir()}

    assert not present & set(OBEYED)


def test_they_come_back_exactly_as_they_were(desk: Desk) -> None:
    before = [(desk.folder / name).lstat() for name in OBEYED]

    with without_clone_settings(desk.folder, desk.home / "left"):
        pass

    after = [(desk.folder / name).lstat() for name in OBEYED]
    for old, new in zip(before, after, strict=True):
        assert (old.st_ino, old.st_mode, old.st_mtime_ns) == (
            new.st_ino,
            new.st_mode,
            new.st_mtime_ns,
        )
    assert desk.git("status", "--porcelain") == ""
    assert [path.name for path in desk.root.iterdir() if path.name.startswith(".")] == []


def test_they_come_back_whatever_happens(desk: Desk) -> None:
    with pytest.raises(KeyboardInterrupt), without_clone_settings(desk.folder, desk.home / "left"):
        raise KeyboardInterrupt

    assert desk.git("status", "--porcelain") == ""


def test_what_was_written_in_their_place_is_kept_elsewhere(desk: Desk) -> None:
    """Files, folders and links alike; twice over, none replaces another."""
    for number in (1, 2):
        with without_clone_settings(desk.folder, desk.home / "left"):
            (desk.folder / ".env").mkdir()
            (desk.folder / ".pluscoder-config.yml").symlink_to("gone")
            (desk.folder / ".pluscoder").write_text(f"run {number}")

    assert desk.git("status", "--porcelain") == ""
    kept = [path.read_text() for path in (desk.home / "left").glob("*/.pluscoder")]
    assert sorted(kept) == ["run 1", "run 2"]


def test_droppings_leave_a_clone_that_had_none(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk", SHOP)
    desk.commit_all()

    for _ in range(2):
        with without_clone_settings(desk.folder, desk.home / "left"):
            (desk.folder / ".pluscoder").mkdir()
            (desk.folder / "pluscoder.log").write_text("said")

    assert desk.git("status", "--porcelain") == ""
    assert list((desk.home / "left").rglob("pluscoder.log"))


def test_a_new_settings_file_is_work_like_any_other(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk", SHOP)
    desk.commit_all()

    with without_clone_settings(desk.folder, desk.home / "left"):
        (desk.folder / ".env").write_text("asked for\n")

    assert desk.git("status", "--porcelain") == "?? .env\n"
