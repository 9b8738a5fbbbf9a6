"""Child processes: real ones, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core import environment, process
from workflows.core.errors import ProcessFailed, ProgramMissing, Terminated, TimeoutExceeded
from workflows.core.redaction import remember

if TYPE_CHECKING:
    from types import FrameType

ENV = environment.for_child()
SECRET = "tok-process-41c7"


def sh(script: str, *args: str, timeout_s: float = 20, check: bool = True) -> process.Completed:
    """Run a shell script, as a child like any other."""
    return process.run(["sh", "-c", script, "sh", *args], env=ENV, timeout_s=timeout_s, check=check)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return Path("/proc").is_dir() is False


def gone(*pids: int, within_s: float = 5) -> bool:
    """Whether all of them end soon: SIGKILL is sure, but not instant."""
    assert pids
    deadline = time.monotonic() + within_s
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.01)
    return True


def pids_in(text: str) -> list[int]:
    return [int(word) for word in text.split()]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_arguments_reach_the_child_as_they_are(arguments: list[str]) -> None:
    """Spaces, quotes, `$(…)` and line ends in an argument mean nothing to anybody."""
    arguments = ["$(id); `id` | x > y & \"'\\ *\n", *arguments]
    script = 'for argument in "$@"; do printf "%s\\036" "$argument"; done'
    expected = [argument.replace("\036", "") for argument in arguments]

    done = sh(script, *expected)

    assert done.stdout.split("\036")[:-1] == expected


def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child sees the variables it was given and none of ours."""
    monkeypatch.setenv("GIT_TOKEN", SECRET)
    given_env = {"PATH": ENV["PATH"], "ONE": "1 = a\nb", "EMPTY": ""}

    done = process.run(["env", "-0"], env=given_env, timeout_s=10)

    assert sorted(done.stdout.split("\0")[:-1]) == sorted(f"{k}={v}" for k, v in given_env.items())


def test_the_program_is_looked_up_on_the_childs_path(tmp_path: Path) -> None:
    """PATH of the given environment says which program is meant, not ours."""
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o700)

    assert process.run(["git"], env={"PATH": str(tmp_path)}, timeout_s=10).stdout == "mine\n"


def test_it_runs_where_it_is_told(tmp_path: Path) -> None:
    """`cwd` is the child's working directory, and ours stays."""
    before = Path.cwd()

    done = process.run(["pwd", "-P"], env=ENV, cwd=tmp_path, timeout_s=10)

    assert Path(done.stdout.strip()) == tmp_path.resolve()
    assert Path.cwd() == before


def test_stdin_is_closed() -> None:
    """A child that reads gets the end of file at once, and nothing of what we are asked."""
    script = (
        "from workflows.core import environment, process; "
        "print(process.run(['cat'], env=environment.for_child(), timeout_s=10))"
    )
    root = Path(process.__file__).parents[2]

    done = process.run(
        [sys.executable, "-c", script], env=ENV, cwd=root, stdin=b"our own input", timeout_s=20
    )

    assert "stdout=''" in done.stdout


def test_stdin_bytes_arrive_whole() -> None:
    """Megabytes go in while megabytes come out, without a deadlock."""
    data = os.urandom(1_000_000).hex().encode() * 2

    done = process.run(["cat"], env=ENV, stdin=data, timeout_s=20)

    assert done.stdout.encode() == data
    assert not done.truncated


def test_a_child_need_not_read_its_stdin() -> None:
    """Bytes that the child does not want are no error."""
    done = process.run(["true"], env=ENV, stdin=b"x" * 1_000_000, timeout_s=20)

    assert done.exit_code == 0


def test_output_is_bounded_and_keeps_both_ends() -> None:
    """Of a long output the beginning and the end are kept, and the gap is counted."""
    done = process.run(
        ["sh", "-c", "echo first; seq 1000000; echo last; seq 100000 >&2"],
        env=ENV,
        timeout_s=20,
        max_output_bytes=1_000,
    )

    assert done.truncated
    assert done.stdout.startswith("first\n1\n2\n")
    assert done.stdout.endswith("1000000\nlast\n")
    total = len("first\nlast\n") + sum(len(f"{n}\n") for n in range(1, 1_000_001))
    assert f"[… {total - 1_000} bytes left out …]" in done.stdout
    assert done.stderr.endswith("99999\n100000\n")


def test_output_that_is_no_text_is_shown_as_far_as_it_is() -> None:
    """Bytes that are not UTF-8 become the replacement character."""
    assert sh(r"printf 'a\377b'").stdout == "a�b"


def test_a_failure_says_what_the_child_said() -> None:
    """A non-zero exit raises with the last lines of stderr, and of stdout if it has none."""
    with pytest.raises(ProcessFailed, match=r"^sh ended with exit code 3") as caught:
        sh("seq 20; seq 30 >&2; exit 3")
    assert caught.value.why == "\n".join(map(str, range(19, 31)))

    with pytest.raises(ProcessFailed) as caught:
        sh("echo only this; exit 1")
    assert caught.value.why == "only this"


def test_a_failure_may_be_looked_at_instead() -> None:
    """With `check=False` the exit code comes back, negative for a signal."""
    assert sh("exit 3", check=False).exit_code == 3
    assert sh("kill -KILL $$", check=False).exit_code == -signal.SIGKILL


def test_errors_are_redacted_and_do_not_show_arguments() -> None:
    """Neither what the child said nor what it was called with brings a secret into an error."""
    remember([SECRET])
    for script, timeout_s, kind in (
        (f"echo {SECRET} >&2; exit 1", 20.0, ProcessFailed),
        (f"echo {SECRET} >&2; sleep 60", 0.5, TimeoutExceeded),
    ):
        with pytest.raises(kind) as caught:
            sh(script, "unknown-secret-argument", timeout_s=timeout_s)

        assert "[redacted]" in caught.value.why
        assert SECRET not in str(caught.value)
        assert "unknown-secret-argument" not in str(caught.value)


def test_git_is_named_with_its_command() -> None:
    """An error of git names the subcommand."""
    with pytest.raises(ProcessFailed, match=r"^git frobnicate ended with exit code 1"):
        process.run(["git", "frobnicate"], env=ENV | {"HOME": "/"}, timeout_s=20)


def test_a_program_that_is_not_installed(tmp_path: Path) -> None:
    """A missing executable is an error of its own, with what to do."""
    with pytest.raises(ProgramMissing, match="no-such-program is not installed") as caught:
        process.run(["no-such-program"], env=ENV, cwd=tmp_path, timeout_s=5)

    assert "PATH" in caught.value.fix


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    """A file without permission to be run is ProgramMissing with a way out."""
    (tmp_path / "data").write_text("no program")

    with pytest.raises(ProgramMissing, match="make the file executable"):
        process.run([str(tmp_path / "data")], env=environment.for_child(), timeout_s=5)


def test_a_missing_folder_is_not_a_missing_program(tmp_path: Path) -> None:
    """A working directory that is not there is not blamed on the program."""
    with pytest.raises(FileNotFoundError):
        process.run(["true"], env=ENV, cwd=tmp_path / "nowhere", timeout_s=5)


def test_stderr_is_reported_as_it_comes(tmp_path: Path) -> None:
    """`on_stderr` hears a piece while the child still runs, and all of them in the end."""
    heard: list[str] = []
    answer = tmp_path / "answer"

    def listen(piece: str) -> None:
        heard.append(piece)
        answer.touch()

    # the child goes on only once it was heard
    script = 'echo one >&2; until [ -e "$1" ]; do sleep 0.02; done; echo two >&2; echo out'
    done = process.run(
        ["sh", "-c", script, "sh", str(answer)], env=ENV, timeout_s=20, on_stderr=listen
    )

    assert len(heard) >= 2
    assert "".join(heard) == done.stderr == "one\ntwo\n"
    assert done.stdout == "out\n"


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

    assert process._groups == set()
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

    with process.background(["sh", "-c", script], env=ENV, log=log) as server:
        pids = pids_in(wait_for_line(log))
        assert pids[0] == server.pid
        assert all(alive(pid) for pid in pids)

    assert gone(*pids)
    assert process._groups == set()


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
    root = Path(process.__file__).parents[2]

    done = process.run([sys.executable, "-c", script], env=ENV, cwd=root, timeout_s=20)

    before, after = done.stdout.splitlines()
    assert before == "before"
    assert after.startswith("x ")
