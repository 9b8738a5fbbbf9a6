"""`workflows dag run` on a terminal: a real one (a pty) of any size, and what is seen there."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from workflows.task_runner import ImageMap, Mock, MockPlan, Processes, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Cli

_LIMIT_S = 30
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_COLOURS = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
WAIT = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)"


@dataclass
class Screen:
    """A terminal with the command on it; `text` is everything that was written there."""

    process: subprocess.Popen[bytes]
    terminal: int
    text: str = ""
    _bytes: bytes = field(default=b"", repr=False)

    def until(self, words: str) -> None:
        """Read until these words have been written."""
        deadline = time.monotonic() + _LIMIT_S
        while words not in self.plain:
            assert time.monotonic() < deadline, f"{words!r} is not in {self.plain!r}"
            assert self._read(), f"{words!r} is not in {self.plain!r}"

    def end(self) -> int:
        """Read the rest; the exit code."""
        while self._read():
            pass
        return self.process.wait(30)

    @property
    def plain(self) -> str:
        """The text without colours and movements."""
        return _ESCAPES.sub("", self.text)

    @property
    def lines(self) -> list[str]:
        """What was written from one line end to the next, however often it was drawn over."""
        return re.split(r"[\r\n]+", self.plain)

    def _read(self) -> bool:
        if not select.select([self.terminal], [], [], _LIMIT_S)[0]:
            raise AssertionError(f"nothing more is written after {self.plain!r}")
        try:
            piece = os.read(self.terminal, 65_536)
        except OSError:  # Linux: the other end is closed
            return False
        self._bytes += piece
        self.text = self._bytes.decode(errors="replace")
        return bool(piece)


class Terminals:
    """Starts `dag run` of some steps on terminals."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self.open: list[Screen] = []

    def words(self, url: str, steps: list[dict[str, Any]]) -> list[str]:
        file = self.cli.cwd / "dag.json"
        file.write_text(json.dumps({"name": "demo", "steps": steps}))
        words = ["dag", "run", "--dag-path", str(file), "--tr-hostname", url]
        return [*words, "--tr-auth-jwt", "none", "--run-id", "r1", "--poll-interval", "0.1"]

    def start(self, words: list[str], *, columns: int = 100, rows: int = 30, **env: str) -> Screen:
        """The command with standard error on a terminal; standard output is not shown."""
        terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "workflows", *words],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env=self.cli.environment({"TERM": "xterm-256color", **env}),
            cwd=self.cli.cwd,
        )
        os.close(theirs)
        screen = Screen(process, terminal)
        self.open.append(screen)
        return screen

    def close(self) -> None:
        for screen in self.open:
            screen.process.kill()
            screen.process.wait()
            os.close(screen.terminal)


@pytest.fixture
def terminals(cli: Cli) -> Iterator[Terminals]:
    made = Terminals(cli)
    yield made
    made.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[str]:
    """A Task Runner whose `wait` waits for a file, and whose `fail` fails."""
    images = {
        "wait": {"command": ["{python}", "-c", WAIT]},
        "fail": {"command": ["sh", "-c", "exit 3"]},
        "pass": {"command": ["true"]},
    }
    backend = Processes(ImageMap.model_validate({"images": images}), tmp_path / "tasks")
    with TaskRunner(backend).serve() as url:
        yield url


def mock(**plan: object) -> TaskRunner:
    return TaskRunner(Mock(MockPlan.model_validate(plan)))


def task(name: str, image: str, *args: str, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    inner = {"imageUri": image, "args": list(args)}
    return {"id": name, "dependsOn": list(needs), "task": inner}


def test_counts_running_and_failed_steps_and_the_way_left_are_shown(
    terminals: Terminals, processes: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    steps = [
        task("broken", "fail"),
        task("slow", "wait", str(gate)),
        task("below", "pass", needs=("broken",)),
    ]
    screen = terminals.start(terminals.words(processes, steps))

    screen.until("▸ slow")
    screen.until("✗ broken")
    screen.until("2 of 3 steps")
    screen.until("1 running, 1 failed, 1 skipped")
    screen.until("critical path left about")
    screen.until("at this pace")
    gate.touch()

    assert screen.end() == 1
    assert "3 of 3 steps" in screen.plain
    assert "1 succeeded, 1 failed, 1 skipped" in screen.plain
    assert "error: 1 of 3 steps of demo failed" in screen.plain


def test_a_terminal_gets_colours_unless_no_color_is_set(terminals: Terminals) -> None:
    with mock(jobs=[{"job": "b", "failure_rate": 1}]).serve() as url:
        words = terminals.words(url, [task("a", "img"), task("b", "img")])
        coloured = terminals.start(words)
        assert coloured.end() == 1
        plain = terminals.start([*words, "--resume"], NO_COLOR="1")
        assert plain.end() == 1

    assert _COLOURS.search(coloured.text)
    assert "✗ b" in plain.plain
    assert not _COLOURS.search(plain.text)


def test_away_from_a_terminal_there_are_plain_lines(terminals: Terminals, cli: Cli) -> None:
    with mock().serve() as url:
        done = cli(*terminals.words(url, [task("a", "img")]), TERM="xterm-256color")

    assert "\x1b" not in done.stderr + done.stdout
    first, second = done.stderr.splitlines()
    assert first == "demo: 1 steps, run id r1"
    assert re.fullmatch(r"a: succeeded in \d+\.\d\d s", second)


@pytest.mark.parametrize("columns", [10, 24, 40])
def test_a_narrow_terminal_is_never_overrun(terminals: Terminals, columns: int) -> None:
    name, message = "a-step-with-a-very-long-name-" * 3, "no room left on the device " * 9
    server = mock(jobs=[{"job": name, "fail_times": 1, "message": message}])
    with server.serve() as url:
        steps = [task(name, "img") | {"retries": 1}, task("b", "img")]
        screen = terminals.start(terminals.words(url, steps), columns=columns)

        assert screen.end() == 0

    assert "demo" in screen.plain
    assert max(map(len, screen.lines)) <= columns


def test_a_low_terminal_shows_what_fits(
    terminals: Terminals, processes: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    steps = [task(f"s{number}", "wait", str(gate)) for number in range(40)]
    screen = terminals.start(terminals.words(processes, steps), rows=6)

    screen.until("0 of 40 steps")
    screen.until("40 running")
    gate.touch()

    assert screen.end() == 0
    assert "40 succeeded" in screen.plain


def test_a_runners_words_do_not_steer_the_terminal(terminals: Terminals) -> None:
    message = "\x1b]0;owned\x07\x1b[2Jgone\x9b31m"
    with mock(jobs=[{"job": "a", "failure_rate": 1, "message": message}]).serve() as url:
        screen = terminals.start(terminals.words(url, [task("a", "img")]))

        assert screen.end() == 1

    assert "gone" in screen.plain
    assert "\x1b]" not in screen.text
    assert "\x1b[2J" not in screen.text
    assert "\x9b" not in screen.text
