"""How children end: timeouts, grandchildren, signals, and those that run beside us."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.core.process.processes import ENV, alive, gone, pids_in, sh
from workflows.core import process
from workflows.core.errors import ProgramMissing, Terminated, TimeoutExceeded

if TYPE_CHECKING:
    from types import FrameType


def test_a_timeout_kills_the_whole_group() -> None:
    """A child and grandchildren that ignore SIGTERM are dead when TimeoutExceeded is raised."""
    script = 'trap "" TERM; (sleep 300 & echo $! >&2; wait) & sleep 300 & echo $$ $! >&2; wait'
    began = time.monotonic()

    with pytest.raises(TimeoutExceeded, match="did not end within 1 s") as caught:
        sh(script, timeout_s=1)

    assert time.monotonic() - began < 4
    pids = pids_in(caught.value.why)
    assert len(pids) == 3
    assert gone(*pids)


def test_a_timeout_is_polite_first(tmp_path: Path) -> None:
    """A child that handles SIGTERM may clean up before it is killed."""
    cleaned = tmp_path / "cleaned"

    with pytest.raises(TimeoutExceeded):
        sh('trap "touch $1; exit" TERM; sleep 300 & wait', str(cleaned), timeout_s=0.5)

    assert cleaned.exists()


def test_a_closed_output_is_not_an_end() -> None:
    """A child that closes its output early is waited for, and timed out, all the same."""
    assert sh("exec >&- 2>&-; sleep 0.2; exit 7", check=False).exit_code == 7
    with pytest.raises(TimeoutExceeded):
        sh("exec >&- 2>&-; sleep 300", timeout_s=0.3)


@pytest.mark.parametrize(
    "script",
    [
        "sleep 300 & echo $!",
        "sleep 300 >/dev/null 2>&1 & echo $!",
        'trap "" TERM HUP; sleep 300 >/dev/null 2>&1 & echo $!; exit 3',
        "sleep 300 >/dev/null 2>&1 & echo $!; exec >&- 2>&-; sleep 0.1",
    ],
    ids=["holds our pipes", "lets them go", "ignores signals", "after the output was closed"],
)
def test_a_grandchild_left_behind_is_killed(script: str) -> None:
    """What a child leaves behind when it ends is killed at once, and nobody waits for it."""
    for _ in range(5):  # the end of the output and of the child race each other
        done = sh(script, check=False)

        assert done.duration_s < 5
        assert gone(*pids_in(done.stdout))


def test_a_grandchild_that_fled_does_not_hold_us_up() -> None:
    """One that left the group and keeps our pipes open delays the end by a second, not more."""
    flee = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(300)"
    done = process.run(
        ["sh", "-c", '"$1" -c "$2" & sleep 0.5; echo over', "sh", sys.executable, flee],
        env=ENV,
        timeout_s=20,
    )

    words = done.stdout.split()
    try:
        assert "over" in words
        assert done.duration_s < 5
    finally:
        for word in words:
            if word.isdigit():
                os.kill(int(word), signal.SIGKILL)


def test_a_signal_that_raises_kills_the_group() -> None:
    """An exception out of a signal handler leaves no child and no grandchild."""
    said: list[str] = []
    servers = set(process.child_groups.alive)  # of the whole session

    def stop(number: int, _: FrameType | None) -> None:
        raise Terminated(number)

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Terminated):
            process.run(
                ["sh", "-c", f"sleep 300 & echo $$ $! >&2; kill -USR1 {os.getpid()}; wait"],
                env=ENV,
                timeout_s=20,
                on_stderr=said.append,
            )
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert process.child_groups.alive == servers
    if said:  # the signal may be faster than the words
        assert gone(*pids_in("".join(said)))


def test_an_exception_of_the_listener_kills_the_group() -> None:
    """When `on_stderr` raises, the child and what it started are gone and the error goes on."""
    said: list[str] = []

    def listen(piece: str) -> None:
        said.append(piece)
        if "\n" in piece:
            raise Terminated(signal.SIGTERM)

    with pytest.raises(Terminated):
        process.run(
            ["sh", "-c", 'trap "" TERM; sleep 300 & echo $$ $! >&2; wait'],
            env=ENV,
            timeout_s=20,
            on_stderr=listen,
        )

    assert gone(*pids_in("".join(said)))


def wait_for_line(log: Path, within_s: float = 10) -> str:
    """The first line of a file that a server is about to write."""
    deadline = time.monotonic() + within_s
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the server said nothing"
        time.sleep(0.01)
    return log.read_text()


def test_background_ends_with_its_block(tmp_path: Path) -> None:
    """A server runs during the block, writes to its log, and its group is gone after."""
    log = tmp_path / "server.log"
    script = 'trap "" TERM; sleep 300 & echo $$ $!; wait'
    servers = set(process.child_groups.alive)  # of the whole session

    with process.background(["sh", "-c", script], env=ENV, log=log) as server:
        pids = pids_in(wait_for_line(log))
        assert pids[0] == server.pid
        assert all(alive(pid) for pid in pids)

    assert gone(*pids)
    assert process.child_groups.alive == servers


def test_background_ends_what_a_dead_server_left(tmp_path: Path) -> None:
    """The group is gone after the block even where the server itself ended before."""
    log = tmp_path / "server.log"

    with process.background(["sh", "-c", "sleep 300 & echo $!"], env=ENV, log=log) as server:
        server.wait(10)
        pids = pids_in(wait_for_line(log))

    assert gone(*pids)


def test_background_of_a_missing_program() -> None:
    """A server that is not installed is named."""
    with (
        pytest.raises(ProgramMissing, match="no-such-server"),
        process.background(["no-such-server"], env=ENV),
    ):
        pass


def test_kill_all_ends_every_child(tmp_path: Path) -> None:
    """`kill_all` ends the groups of blocks that are still open."""
    log = tmp_path / "server.log"
    script = 'trap "" TERM; sleep 300 & echo $$ $!; wait'
    with process.background(["sh", "-c", script], env=ENV, log=log) as server:
        pids = pids_in(wait_for_line(log))

        process.kill_all()

        assert server.wait(5) == -signal.SIGKILL
        assert gone(*pids)


def test_streaming_talks_both_ways_and_leaves_nothing() -> None:
    """A streaming child reads and writes while it lives, and its group is gone after the block."""

    async def talk() -> tuple[bytes, bytes]:
        script = 'trap "" TERM; sleep 300 & echo $$ $!; exec cat'
        async with process.streaming(["sh", "-c", script], env=ENV) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            pids = await child.stdout.readline()
            child.stdin.write(b"hello\n")
            return pids, await child.stdout.readline()

    pids, answer = asyncio.run(talk())

    assert answer == b"hello\n"
    assert gone(*pids_in(pids.decode()))


def test_replace_self_becomes_the_program() -> None:
    """The program takes our place: what we printed comes first, and nothing of ours after."""
    script = (
        "from workflows.core import process; print('before'); "
        "process.replace_self(['sh', '-c', 'echo $X $$'], env={'PATH': '/usr/bin:/bin', 'X': 'x'});"
        " print('never')"
    )
    root = Path(process.__file__).parents[3]

    done = process.run([sys.executable, "-c", script], env=ENV, cwd=root, timeout_s=20)

    before, after = done.stdout.splitlines()
    assert before == "before"
    assert after.startswith("x ")
