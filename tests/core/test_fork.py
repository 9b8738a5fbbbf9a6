"""Work in a fork of this process; each in a process of its own, since pytest's may have threads."""

from __future__ import annotations

import sys
from functools import cache

import pytest

from tests.core.process.processes import ENV, alive
from workflows.core import process

FRAME = """
import os, signal, sys, threading, time
from workflows.core.fork import WaitingThread, beside
{body}
print("end", len(os.listdir("/proc/self/fd")))
"""


@cache
def open_files() -> list[str]:
    """What the end of a script says that has done nothing."""
    args = [sys.executable, "-c", FRAME.format(body="")]
    return process.run(args, env=ENV, timeout_s=30).stdout.splitlines()


def ran(body: str) -> list[str]:
    """What the script wrote to either output, as lines, less the last one: it left no file open."""
    done = process.run([sys.executable, "-c", FRAME.format(body=body)], env=ENV, timeout_s=30)
    lines = (done.stderr + done.stdout).splitlines()
    assert lines[-1:] == open_files()
    return lines[:-1]


def test_the_work_is_done_by_another_process_while_the_block_goes_on() -> None:
    told = ran("""
here, there = os.pipe()
def work():
    said = os.read(here, 10)  # it waits for the block
    return b"%d %s" % (os.getpid(), said)
with beside(work) as fork:
    os.write(there, b"go")
    print(os.getpid(), fork.result().decode())
os.close(here), os.close(there)
""")
    mine, others, said = told[0].split()
    assert mine != others
    assert said == "go"
    assert not alive(int(others))


def test_a_large_result_is_whole() -> None:
    body = "with beside(lambda: bytes(range(256)) * 50_000) as fork:\n    found = fork.result()"
    assert ran(f"{body}\nprint(found == bytes(range(256)) * 50_000)") == ["True"]


def test_work_that_raises_gives_nothing_and_says_nothing() -> None:
    assert ran("with beside(lambda: 1 // 0) as fork:\n    print(fork.result())") == ["None"]


def test_work_that_is_killed_gives_nothing() -> None:
    body = "with beside(lambda: os.kill(os.getpid(), signal.SIGKILL)) as fork:"
    assert ran(f"{body}\n    print(fork.result())") == ["None"]


def test_work_that_nobody_waits_for_ends_with_the_block() -> None:
    told = ran("""
here, there = os.pipe()
def work():
    os.write(there, str(os.getpid()).encode())
    signal.pause()
try:
    with beside(work):
        pid = int(os.read(here, 10))
        raise ValueError("the block has failed")
except ValueError as error:
    print(error)
try:
    os.kill(pid, 0)
except ProcessLookupError:
    print("it is gone")
os.close(here), os.close(there)
""")
    assert told == ["the block has failed", "it is gone"]


def test_what_the_program_has_still_to_write_is_written_once() -> None:
    body = """
import atexit
atexit.register(print, "bye")
print("not flushed")
with beside(lambda: b"") as fork:
    fork.result()
"""
    args = [sys.executable, "-c", FRAME.format(body=body)]
    lines = process.run(args, env=ENV, timeout_s=30).stdout.splitlines()
    assert [lines[0], *lines[2:]] == ["not flushed", "bye"]


def test_a_process_with_threads_is_not_forked() -> None:
    assert ran("""
over = threading.Event()
other = threading.Thread(target=over.wait)
other.start()
with beside(lambda: b"done") as fork:
    print(fork.result())
over.set()
other.join()
while len(os.listdir("/proc/self/task")) > 1:  # the kernel's part of a thread ends after it
    time.sleep(0.001)
with beside(lambda: b"done") as fork:
    print(fork.result())
""") == ["None", "b'done'"]


def test_a_thread_that_only_waits_is_no_hindrance() -> None:
    assert ran("""
here, there = os.pipe()
other = WaitingThread(target=os.read, args=(here, 1))
other.start()
with beside(lambda: b"done") as fork:
    print(fork.result())
os.write(there, b"x")
other.join()
os.close(here), os.close(there)
""") == ["b'done'"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("when", ["at work", "before it has begun"])
def test_a_signal_to_the_fork_is_not_taken_for_one_to_the_program(name: str, when: str) -> None:
    early = f"""
forked = fork._forked
def struck():
    pid = forked()
    if not pid:
        os.kill(os.getpid(), signal.{name})
    return pid
fork._forked = struck
"""
    assert ran(f"""
here, there = os.pipe()
os.set_blocking(here, False), os.set_blocking(there, False)
signal.signal(signal.{name}, lambda number, _: print("told"))
signal.set_wakeup_fd(there)
from workflows.core import fork
{early if when != "at work" else ""}
with beside(lambda: os.kill(os.getpid(), signal.{name}) or b"done") as one:
    print(one.result())
signal.set_wakeup_fd(-1)
try:
    print(os.read(here, 10))
except BlockingIOError:
    print("nothing came")
os.close(here), os.close(there)
""") == ["None", "nothing came"]


def test_a_signal_that_comes_while_it_forks_leaves_nothing_behind() -> None:
    assert ran("""
from workflows.core import fork
pids = []
forked = fork._forked
def struck():
    pids.append(forked())
    if pids[0]:
        os.kill(os.getpid(), signal.SIGTERM)
    return pids[0]
fork._forked = struck
def ended(number, _):
    raise InterruptedError("told to end")
signal.signal(signal.SIGTERM, ended)
try:
    with beside(signal.pause):
        print("the block has begun")
except InterruptedError as error:
    print(error)
try:
    os.kill(pids[0], 0)
except ProcessLookupError:
    print("it is gone")
""") == ["told to end", "it is gone"]


def test_a_handler_that_raises_as_the_work_ends_is_all_that_is_heard() -> None:
    """Whatever moment it is: the fork is waited for once, and its number killed no more."""
    assert ran("""
def late(number, _):
    raise InterruptedError
signal.signal(signal.SIGALRM, late)
told = set()
for turn in range(400):
    try:
        with beside(lambda: b"") as fork:
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + turn * 0.000005)
            fork.result()
            signal.setitimer(signal.ITIMER_REAL, 0)
    except InterruptedError:
        pass
    except BaseException as error:
        told.add(repr(error))
    signal.setitimer(signal.ITIMER_REAL, 0)
print(told)
""") == ["set()"]


@pytest.mark.parametrize(
    "place",
    [
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))",
        "del os.memfd_create",
    ],
)
def test_where_there_can_be_no_fork_there_is_none(place: str) -> None:
    """Nobody could wait for it; no file can be opened; the function is missing, as in conda."""
    assert ran(f"""
import resource
before = resource.getrlimit(resource.RLIMIT_NOFILE)
{place}
with beside(lambda: b"done") as fork:
    print(fork.result())
resource.setrlimit(resource.RLIMIT_NOFILE, before)
""") == ["None"]


def test_a_thread_that_python_does_not_know_is_a_hindrance() -> None:
    assert ran("""
import _thread
there = _thread.allocate_lock()
there.acquire()
_thread.start_new_thread(there.acquire, ())
with beside(lambda: b"done") as fork:
    print(fork.result())
there.release()
""") == ["None"]
