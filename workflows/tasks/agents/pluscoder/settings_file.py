"""The settings file in the agent's home: how PlusCoder gets a prompt of any length.

An argument or variable may hold 128 KiB on Linux and shows in `ps`; the settings file of the
home (the source that every other one wins over) has no limit. It is YAML, written as JSON.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.errors import ParametersInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PROMPT_BYTES = 2_000_000
MAX_INDEXED_BYTES = 1_000_000  # 4 s for such a file, and the time grows by the square
_SETTINGS = ".config/pluscoder/config.yml"
# YAML takes these for line ends or refuses them, JSON does not mind
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_SPECIAL_TOKEN = b"<|endoftext|>"  # the tokenizer refuses text that spells a token of its own
# PlusCoder tells text from binary files by these names and never indexes them.
_BINARY = re.compile(
    r"\.(png|jpe?g|gif|webp|ico|bmp|pdf|zip|gz|xz|bz2|7z|tar|jar|war|class|so|dll|exe|o|a|pyc"
    r"|woff2?|ttf|otf|eot|mp3|mp4|mov|wav|ogg|db|sqlite)",
    re.IGNORECASE,
)
# What it adds itself, except the file below; and names its prompt template takes for variables.
_ALWAYS_LEFT_OUT = (r"^\.pluscoder/(?!about\.md$)", "[{}]")
_ABOUT = "PlusCoder keeps its search index and its history in this folder while it runs.\n"


def write_settings(home: Path, folder: Path, prompt: str) -> None:
    """Write prompt and files to leave out; doing it again replaces them.

    An index of nothing is an error to PlusCoder too, so there is always one small file in its
    own folder `.pluscoder`.

    Raises:
        ParametersInvalid: the prompt is empty or longer than 2 MB.
    """
    left_out = [f"^{re.escape(name)}$" for name in sorted(not_text(folder))]
    settings = {
        "user_input": safe_prompt(prompt),
        "repo_exclude_files": [*_ALWAYS_LEFT_OUT, *left_out],
    }
    text = json.dumps(settings, ensure_ascii=False, indent=1)
    text = _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    path = home / _SETTINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    own = folder / ".pluscoder"
    own.mkdir(exist_ok=True)
    (own / "about.md").write_text(_ABOUT, encoding="utf-8")


def safe_prompt(prompt: str) -> str:
    """`prompt` without what PlusCoder would obey: it runs `/run …` and reads files after `img::`.

    Raises:
        ParametersInvalid: the prompt is empty or longer than 2 MB.
    """
    safe = prompt.encode(errors="replace").decode().strip().replace("img::", "img: :")
    if not safe:
        raise ParametersInvalid("the prompt is empty", fix="say what to edit")
    if len(safe.encode()) > MAX_PROMPT_BYTES:
        raise ParametersInvalid(
            f"the prompt is longer than {MAX_PROMPT_BYTES} bytes", fix="shorten the issue"
        )
    return f"Task: {safe}" if safe.startswith("/") or safe.lower() == "q" else safe


def not_text(folder: Path) -> Iterator[str]:
    """Files PlusCoder would fail to start on: its search index takes UTF-8 text and nothing else.

    Also links to folders and submodules, which git lists as files. Relative paths; names without
    a suffix are never indexed.
    """
    for parent, folders, files in os.walk(folder):
        place = Path(parent)
        folders[:] = [name for name in folders if name not in {".git", ".pluscoder"}]
        for name in [*folders, *files]:
            path = place / name
            if path.suffix and not _BINARY.fullmatch(path.suffix) and not _is_harmless(path):
                yield path.relative_to(folder).as_posix()


def _is_harmless(path: Path) -> bool:
    """A plain text file, or a folder that git lists the files of."""
    try:
        if path.is_dir():
            return not (path.is_symlink() or (path / ".git").exists() or not any(path.iterdir()))
        if not path.is_file() or path.stat().st_size > MAX_INDEXED_BYTES:
            return False
        content = path.read_bytes()
        content.decode()
    except (OSError, ValueError):
        return False
    return _SPECIAL_TOKEN not in content
