"""SIGTERM and SIGINT, sent to a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from workflows.core.config import environment
from workflows.core.errors import Terminated
from workflows.core.process import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(signals.__file__).parents[3]
HEAD = """
import os, pathlib, signal, sys, time
from workflows.core import process
from workflows.core.config import environment
from workflows.core.process import signals
from workflows.core.errors import Terminated

def say(text):
    print(text, flush=True)

def ended(run):
    try:
        run()
    except Terminated as error:
        say(f"raised {error}")
        sys.exit(error.exit_code)
"""


@contextmanager
def program(body: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A python process with `body`, and its output; killed if the test leaves it alive."""
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + body],
        env=environment.for_child({"PYTHONPATH": str(ROOT)}.items()),
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout
        finally:
            child.kill()


WAITING = """
def run():
    with signals.terminable():
        try:
            say("ready")
            time.sleep(60)
        finally:
            say("cleaned")
ended(run)
"""


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=str
)
def test_a_signal_raises_terminated(number: signal.Signals, exit_code: int) -> None:
    """The signal raises Terminated, `finally` blocks run, and the exit code is 128 + number."""
    with program(WAITING) as (child, said):
        assert said.readline() == "ready\n"
        child.send_signal(number)

        assert said.read() == f"cleaned\nraised stopped by {number.name}\n"
        assert child.wait(10) == exit_code


def test_later_signals_are_ignored() -> None:
    """Only the first signal raises: cleaning up is not interrupted by the next ones."""
    body = """
def run():
    with signals.terminable():
        try:
            say("ready")
            time.sleep(60)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
            say("cleaned")
ended(run)
"""
    with program(body) as (child, said):
        assert said.readline() == "ready\n"
        child.send_signal(signal.SIGINT)

        assert said.read() == "cleaned\nraised stopped by SIGINT\n"
        assert child.wait(10) == 130


HANGING = """
signals.CLEAN_UP_S = 0.3
script = 'trap "" TERM; sleep 300 & echo $$ $!; wait'
env = environment.for_child()
log = pathlib.Path(LOG)

def run():
    with signals.terminable(), signals.before_forced_exit(lambda: say("first of the acts")):
        with signals.before_forced_exit(lambda: say("last words")):
            with process.background(["sh", "-c", script], env=env, log=log):
                while not (log.exists() and log.read_text().endswith("\\n")):
                    time.sleep(0.01)
                try:
                    say(log.read_text().strip())
                    time.sleep(60)
                finally:
                    say("cleaning")
                    time.sleep(60)
                    say("never")
ended(run)
"""


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=str
)
def test_a_hanging_end_is_forced(tmp_path: Path, number: signal.Signals, exit_code: int) -> None:
    """Where cleaning up hangs, children are killed, last acts done, and the code is the same."""
    body = f"LOG = {str(tmp_path / 'log')!r}\n" + HANGING
    with program(body) as (child, said):
        pids = [int(word) for word in said.readline().split()]
        assert len(pids) == 2
        began = time.monotonic()
        child.send_signal(number)

        assert said.read() == "cleaning\nlast words\nfirst of the acts\n"
        assert child.wait(10) == exit_code
        assert 0.3 <= time.monotonic() - began < 5

    deadline = time.monotonic() + 5
    while any(running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child was left alive"
        time.sleep(0.01)


def running(pid: int) -> bool:
    """Whether a process runs, as `ps` sees it; one that waits to be reaped does not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:1] not in {"", "Z"}


def test_the_code_of_a_forced_end_can_be_chosen() -> None:
    """`forced_end` turns the signal's number into the code of a forced end."""
    body = """
signals.CLEAN_UP_S = 0.1
with signals.terminable(), signals.forced_exit_code(lambda number: number + 1):
    try:
        say("ready")
        time.sleep(60)
    finally:
        time.sleep(60)
"""
    with program(body) as (child, said):
        assert said.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)

        assert child.wait(10) == signal.SIGTERM + 1


@pytest.mark.parametrize("words", ["raise OSError('gone')", "time.sleep(60)"])
def test_an_end_is_forced_even_if_it_cannot_be_told(words: str) -> None:
    """Last words that raise or hang, and last acts that do, do not keep the process alive."""
    body = f"""
signals.CLEAN_UP_S = 0.1
def tell(number):
    {words}
    return 7
def act():
    {words}
with signals.terminable(), signals.forced_exit_code(tell), signals.before_forced_exit(act):
    try:
        say("ready")
        time.sleep(60)
    finally:
        time.sleep(60)
"""
    with program(body) as (child, said):
        assert said.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)

        assert child.wait(5) == 143


def test_the_code_of_a_forced_end_is_asked_late() -> None:
    """`force_exit_after` asks for the exit code when the time has come."""
    body = """
codes = [1]
signals.force_exit_after(0.1, lambda: codes[-1], 5)
codes.append(9)
time.sleep(60)
"""
    with program(body) as (child, _):
        assert child.wait(10) == 9


def test_what_is_decided_is_decided() -> None:
    """After `ignore` neither signal changes the exit code, in the block or after it."""
    body = """
with signals.terminable():
    signals.ignore_signals()
    os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
sys.exit(3)
"""
    with program(body) as (child, _):
        assert child.wait(10) == 3


def test_no_child_is_left_by_a_signal_at_its_start(tmp_path: Path) -> None:
    """SIGTERM at any moment around the start of a child leaves no child behind."""
    body = f"""
env = environment.for_child()
mark = {str(tmp_path)!r}
def run():
    with signals.terminable():
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
        process.run(["sh", "-c", "sleep 77; : " + mark], env=env, timeout_s=60)
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
ended(run)
"""
    for number in range(60):
        delay = str(0.0002 + number * 0.00005)
        done = subprocess.run(
            [sys.executable, "-c", HEAD + body, delay],
            env=environment.for_child({"PYTHONPATH": str(ROOT)}.items()),
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == 143, done.stderr

    listed = subprocess.run(
        ["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True
    )
    assert str(tmp_path) not in listed.stdout


def test_handlers_are_restored() -> None:
    """After the block, ended by a signal or by itself, the earlier handlers are in place."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    with signals.terminable():
        within = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    assert after == before
    assert not set(map(id, within)) & set(map(id, before))


def test_the_wakeup_pipe_is_restored() -> None:
    """After the block no signal is written to a pipe that is closed."""
    with signals.terminable():
        assert signal.set_wakeup_fd(-1) != -1

    assert signal.set_wakeup_fd(-1) == -1


def test_a_last_act_is_only_for_its_block() -> None:
    """An act is forgotten when its block ends, also by an exception."""

    def stopped() -> None:
        with signals.before_forced_exit(lambda: None):
            assert len(signals._before_exit) == 1
            raise Terminated

    with pytest.raises(Terminated):
        stopped()

    assert signals._before_exit == []
