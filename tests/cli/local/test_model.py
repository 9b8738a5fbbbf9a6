"""`workflows local model`, as a process."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from workflows.core import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Cli

KEY = "sk-upstream-0123456789abcdef"
QUESTION = "Please fix: The total of a basket is 0"


@contextmanager
def running(cli: Cli, log: Path, *flags: str, **env: str) -> Iterator[str]:
    """The command until the block ends; yields the address it says to export."""
    args = [sys.executable, "-m", "workflows", "local", "model", *flags]
    with process.background(args, env=cli.environment(env), log=log):
        deadline = time.monotonic() + 30
        while not (found := re.search(r"OPENAI_BASE_URL=(\S+)", log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]


def ask(base_url: str) -> str:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": QUESTION}]}
    with httpx.Client(trust_env=False, timeout=20) as http:
        answer = http.post(f"{base_url}/chat/completions", json=body).json()
    text: str = answer["choices"][0]["message"]["content"]
    return text


def test_it_records_what_another_says_and_plays_it_again(cli: Cli, tmp_path: Path) -> None:
    """The upstream is the demo's model itself; the key is in no file and no output."""
    folder = tmp_path / "new"
    flags = ("--recordings", str(folder))
    with running(cli, tmp_path / "real.log") as real:
        said = ask(real)
        recording = (*flags, "--record", "--upstream", real)
        with running(cli, tmp_path / "record.log", *recording, OPENAI_API_KEY=KEY) as recorder:
            assert ask(recorder) == said
    with running(cli, tmp_path / "play.log", *flags) as player:
        assert ask(player) == said

    assert "<pc_output>" in said
    (written,) = folder.iterdir()
    assert KEY not in written.read_text() + (tmp_path / "record.log").read_text()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--upstream", "http://127.0.0.1:1/v1"], "--upstream is for --record"),
        (["--record"], "--record needs a folder"),
        (["--record", "--recordings", "."], "--record needs a key"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(cli: Cli, flags: list[str], why: str) -> None:
    done = cli("local", "model", *flags)

    assert done.exit_code == 2
    assert why in done.stderr


def test_a_file_that_is_no_recording_is_refused(cli: Cli) -> None:
    (cli.cwd / "odd.json").write_text("{}")

    done = cli("local", "model", "--recordings", str(cli.cwd))

    assert done.exit_code == 2
    assert "odd.json" in done.stderr
