"""The settings file in the agent's home: how PlusCoder gets a prompt of any length.

An argument or variable may hold 128 KiB on Linux and shows in `ps`; the settings file of the
home (the source that every other one wins over) has no limit. It is YAML, written as JSON.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from workflows.core.errors import ParametersInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_PROMPT_BYTES = 2_000_000
MAX_INDEXED_BYTES = 300_000  # reading a file into the search index takes time by the square
_SETTINGS = ".config/pluscoder/config.yml"
# YAML takes these for line ends or refuses them, JSON does not mind
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_SPECIAL_TOKENS = (b"<|endoftext|>",)  # the tokenizer refuses text that spells its own tokens


def write_settings(home: Path, folder: Path, prompt: str) -> None:
    """Write prompt and files to leave out; doing it again replaces them.

    Raises:
        ParametersInvalid: the prompt is empty or longer than 2 MB.
    """
    settings = {
        "user_input": safe_prompt(prompt),
        "repo_exclude_files": [f"^{re.escape(name)}$" for name in sorted(not_text(folder))],
    }
    text = json.dumps(settings, ensure_ascii=False, indent=1)
    text = _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    path = home / _SETTINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def safe_prompt(prompt: str) -> str:
    """`prompt` as words only: PlusCoder runs `/run …` as a command and reads `img::` files."""
    words = prompt.encode(errors="replace").decode().strip().replace("img::", "img: :")
    if not words:
        raise ParametersInvalid("the prompt is empty", fix="say what to edit")
    if len(words.encode()) > MAX_PROMPT_BYTES:
        raise ParametersInvalid(
            f"the prompt is longer than {MAX_PROMPT_BYTES} bytes", fix="shorten the issue"
        )
    return f"Task: {words}" if words.startswith("/") or words.lower() == "q" else words


def not_text(folder: Path) -> Iterator[str]:
    """Files PlusCoder would fail to start on: its search index takes UTF-8 text and nothing else.

    Also links to folders and submodules, which git lists as files. Relative paths.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        place = folder.__class__(parent)
        for name in list(folders):
            path = place / name
            if path.is_symlink() or (path / ".git").exists() or not any(path.iterdir()):
                folders.remove(name)
                yield path.relative_to(folder).as_posix()
        for name in files:
            if not _is_text(place / name):
                yield (place / name).relative_to(folder).as_posix()


def _is_text(path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > MAX_INDEXED_BYTES:
            return False
        content = path.read_bytes()
        content.decode()
    except (OSError, ValueError):
        return False
    return not any(token in content for token in _SPECIAL_TOKENS)
