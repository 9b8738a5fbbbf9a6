"""A release: all or nothing, and built before anything is changed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from tools.release import CannotRelease, release
from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 28)
PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"
[project]
name = "workflows"
dynamic = ["version"]
requires-python = ">=3.11"
[tool.hatch.version]
source = "vcs"
[tool.hatch.build.targets.wheel]
packages = ["workflows"]
"""


def git(folder: Path, *args: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": "/dev/null"}
    for role in ("AUTHOR", "COMMITTER"):
        own |= {f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.com"}
    env = environment.for_child(own.items())
    return process.run(["git", *args], env=env, cwd=folder, timeout_s=60).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository that builds as ours does."""
    folder = tmp_path / "project"
    (folder / "workflows").mkdir(parents=True)
    (folder / "workflows" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / ".gitignore").write_text("/dist/\n")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- It works.\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "A")
    git(folder, "config", "user.email", "a@example.com")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Begin")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return folder


def test_a_release_is_a_commit_a_tag_and_artefacts_of_its_version(project: Path) -> None:
    artefacts = release(project, "0.2.0", TODAY)

    assert git(project, "describe") == "v0.2.0"
    assert git(project, "status", "--porcelain") == ""
    text = (project / "CHANGELOG.md").read_text()
    assert "## Unreleased\n\n## 0.2.0 - 2026-11-28\n\n- It works.\n" in text
    assert {one.name for one in artefacts} == {
        "workflows-0.2.0-py3-none-any.whl",
        "workflows-0.2.0.tar.gz",
        "SHA256SUMS-0.2.0",
    }


def test_everything_in_the_way_is_named_and_nothing_is_changed(project: Path) -> None:
    git(project, "tag", "v0.3.0")
    git(project, "switch", "-q", "-c", "topic")
    (project / "left.txt").write_text("not committed")
    (project / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 0.3.0\n\n- Old.\n")
    before = git(project, "rev-parse", "HEAD")

    with pytest.raises(CannotRelease) as caught:
        release(project, "0.2.0", TODAY)

    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    for part in ("after 0.3.0", "uncommitted", "topic", "CHANGELOG.md"):
        assert any(part in line for line in lines)
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "tag") == "v0.3.0"


@pytest.mark.parametrize("version", ["", "1", "1.2", "v1.2.3", "1.2.3rc1", "01.2.3"])
def test_what_is_no_version_is_refused(project: Path, version: str) -> None:
    with pytest.raises(CannotRelease, match="no version"):
        release(project, version, TODAY)
