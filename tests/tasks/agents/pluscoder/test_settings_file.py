"""The settings PlusCoder finds in its home: the prompt, and what to leave out of its index."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import PLUSCODER
from tests.tasks.support import new_desk
from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import ParametersInvalid
from workflows.tasks.agents.pluscoder import settings_file

if TYPE_CHECKING:
    from pathlib import Path

_READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"


def read_settings(where: Path) -> Any:
    """The settings as the YAML library beside PlusCoder reads them."""
    path = where / ".config" / "pluscoder" / "config.yml"
    args = [str(PLUSCODER / "bin" / "python"), "-X", "utf8", "-c", _READ, str(path)]
    return json.loads(process.run(args, env=environment.for_child(), timeout_s=60).stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_desk(tmp_path / "desk", {"a.py": "x = 1\n"}).folder


def test_every_character_of_a_prompt_arrives(tmp_path: Path, folder: Path) -> None:
    """Control characters, line ends of all kinds, YAML's signs and the far planes."""
    signs = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x10000), 0x1F600, 0x10FFFF]))
    prompt = f"start {signs} - a: [b] {{c}} # d 'e' \"f\" \\n %g &h *i !j |k end"

    settings_file.write_settings(tmp_path, folder, prompt)

    assert read_settings(tmp_path)["user_input"] == prompt


def test_a_prompt_of_300_kb_arrives(tmp_path: Path, folder: Path) -> None:
    prompt = "A line of an issue, as long as people write them.\n" * 6_000 + "the end"

    settings_file.write_settings(tmp_path, folder, prompt)

    assert len(prompt) > 300_000
    assert read_settings(tmp_path)["user_input"] == prompt


def test_half_a_character_becomes_a_question_mark(tmp_path: Path, folder: Path) -> None:
    settings_file.write_settings(tmp_path, folder, "a \ud83d b")

    assert read_settings(tmp_path)["user_input"] == "a ? b"


@pytest.mark.parametrize("prompt", ["/run id", "  /run id", "\n/undo", "q", " Q "])
def test_no_prompt_is_a_command_of_pluscoder(prompt: str) -> None:
    assert settings_file.safe_prompt(prompt) == f"Task: {prompt.strip()}"


def test_no_prompt_makes_pluscoder_read_a_file() -> None:
    safe = settings_file.safe_prompt(
        "look at img::/etc/key.png and img::img::https://example.com/a"
    )

    assert "img::" not in safe


@pytest.mark.parametrize("prompt", ["", " \n ", "x" * 2_000_001])
def test_no_prompt_or_too_long_a_one_is_refused(prompt: str) -> None:
    with pytest.raises(ParametersInvalid):
        settings_file.safe_prompt(prompt)


def test_files_that_would_stop_its_index_are_left_out(tmp_path: Path, folder: Path) -> None:
    """Names are matched whole and literally; text stays, also where a link leads to it."""
    (folder / "latin+(1).txt").write_bytes(b"gr\xfcezi")
    (folder / "tokens.md").write_text("ends in <|endoftext|>")
    (folder / "large.txt").write_text("x" * (settings_file.MAX_INDEXED_BYTES + 1))
    (folder / "to-folder.d").symlink_to("/usr", target_is_directory=True)
    (folder / "to-nothing.py").symlink_to("gone")
    (folder / "to-text.py").symlink_to("a.py")
    (folder / "submodule.js").mkdir()
    (folder / "sub.d").mkdir()
    (folder / "sub.d" / "é.txt").write_text("grüezi")
    (folder / "logo.png").write_bytes(b"\x89PNG")
    (folder / "{name}").mkdir()

    settings_file.write_settings(tmp_path, folder, "edit")

    patterns = read_settings(tmp_path)["repo_exclude_files"]
    names = ["latin+(1).txt", "tokens.md", "large.txt", "to-folder.d", "to-nothing.py"]
    names += ["submodule.js", "{name}/a.py", ".pluscoder/search_index/x.pickle"]
    others = ["a.py", "to-text.py", "sub.d/é.txt", "sub.d/latin+(1).txt", "submodule.js/x"]
    others += ["latin1.txt", "logo.png", ".pluscoder/about.md"]
    assert {n for n in names + others if any(re.search(p, n) for p in patterns)} == set(names)


def test_there_is_always_something_to_index(tmp_path: Path) -> None:
    folder = new_desk(tmp_path / "desk", {"Makefile": "x:\n"}).folder

    for _ in range(2):
        settings_file.write_settings(tmp_path, folder, "edit")

    assert (folder / ".pluscoder" / "about.md").read_text()
