"""What the documents show is true: generated parts, and commands that exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import workflows
from workflows.cli import catalog
from workflows.core import process

if TYPE_CHECKING:
    from tests.support import Cli

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_generated_parts_are_up_to_date(cli: Cli) -> None:
    """`tools/docs.py --check` has nothing to say."""
    args = [sys.executable, str(ROOT / "tools" / "docs.py"), "--check"]

    done = process.run(args, env=cli.environment({}), timeout_s=60, check=False)

    assert (done.exit_code, done.stderr) == (0, "")


def test_a_stale_part_is_found(cli: Cli, tmp_path: Path) -> None:
    """A table that was changed by hand is named, with the command that mends it."""
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "docs.py"
    script.write_text((ROOT / "tools" / "docs.py").read_text())
    (tmp_path / "Makefile").write_text("")
    (tmp_path / "A.md").write_text("<!-- generated: commands -->\nby hand\n<!-- end -->\n")

    done = process.run(
        [sys.executable, str(script), "--check"], env=cli.environment({}), timeout_s=60, check=False
    )

    assert done.exit_code == 1
    assert "A.md" in done.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_link_of_a_document_exists(path: Path) -> None:
    """`workflows …` and `make …` in code are real, and relative links lead somewhere."""
    text = path.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    from workflows.cli import commands

    known = {name.split()[0] for name in commands.COMMANDS} | {"run"}
    for word in re.findall(r"`(?:\.venv/bin/)?workflows ([a-z][a-z-]*)", text):
        assert word in known, word
    for word in re.findall(r"`make ([a-z-]+)", text):
        assert word in targets, word
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (path.parent / link).exists(), link


def test_no_file_names_a_package_index_or_this_machine() -> None:
    """The lock and every other file are free of index addresses and of absolute home paths."""
    names = process.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/dev/null"},
        cwd=ROOT,
        timeout_s=30,
        check=False,
    ).stdout.split()
    unwanted = re.compile(r"index-" r"url|find-" r"links|/root" r"/|/home" r"/\w|/work" r"/")
    assert "README.md" in names

    for lock in ("requirements.txt", "workflows/tasks/agents/pluscoder/lock/requirements.txt"):
        assert "://" not in (ROOT / lock).read_text()
    for name in names:
        if (ROOT / name).suffix not in {".png", ""}:
            assert not unwanted.search((ROOT / name).read_text()), name


def test_every_file_and_folder_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    package = Path(workflows.__file__).parent
    named = set(re.findall(r"`((?:[\w-]+/)+(?:[\w-]+\.(?:py|json))?|\w+\.py)`", text))

    missing = sorted(
        name for name in named if not ((package / name).exists() or (ROOT / name).exists())
    )

    assert len(named) > 40
    assert missing == []


def test_every_flow_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()

    assert [name for name in catalog.FLOWS if f"`{name}.py`" not in text] == []
