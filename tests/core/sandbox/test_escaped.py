"""Programs that try to get away, or to outlive us; and those that are none of their kind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.core.sandbox.untrusted import Place, driver, make_place, wait_for
from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.choices import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.sandbox.run import SandboxResult

SLEEPER = """sh -c 'touch "up$1"; exec sleep "$NAP"' sh"""
WAIT = "until [ -e up ]; do sleep 0.01; done"
DAEMON = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
null = os.open(os.devnull, os.O_RDWR)
for fd in range(3): os.dup2(null, fd)
open("up", "w").close()
os.chdir("/")
os.execvp("sleep", ["sleep", os.environ["NAP"]])
"""
ESCAPES = {
    "background": f"{SLEEPER} & {WAIT}",
    "nohup": f"nohup {SLEEPER} >/dev/null 2>&1 & {WAIT}",
    "setsid": f"setsid {SLEEPER} & {WAIT}",
    "setsid that keeps our pipe": f"(setsid {SLEEPER} & ) & {WAIT}; exit 4",
    "double fork": f"'{sys.executable}' -c '{DAEMON}'; {WAIT}",
    "fifty": f"for i in $(seq 50); do setsid {SLEEPER} $i & done; "
    "for i in $(seq 50); do until [ -e up$i ]; do sleep 0.01; done; done",
    "killed parent": f"setsid {SLEEPER} & {WAIT}; kill -KILL $PPID; kill -KILL $$",
}


@pytest.mark.parametrize("script", ESCAPES.values(), ids=ESCAPES.keys())
def test_nothing_survives(place: Place, script: str) -> None:
    """However a process tries to get away, it is dead when the call returns, and not waited for."""
    done = place.sh(script)

    assert place.sleepers() == []
    assert done.duration_s < 5
    assert list(place.clone.glob("up*"))


def test_a_chain_of_forks_is_caught(place: Place) -> None:
    """Processes that fork and end faster than one can look are ended all the same."""
    chain = """
import os, time
os.setsid()
open("up", "w").close()
while True:
    if os.fork():
        os._exit(0)
    open("beat", "w").close()
"""
    place.sh(f"'{sys.executable}' -c '{chain}' & {WAIT}")

    beat = place.clone / "beat"
    beat.unlink(missing_ok=True)
    time.sleep(0.2)  # it beats every millisecond
    assert not beat.exists()


def test_a_timeout_kills_what_ignores_it(place: Place) -> None:
    """SIGTERM may be ignored, by the program and by its escaped descendants; the end comes."""
    done = place.sh(
        f"trap '' TERM; setsid {SLEEPER} & {WAIT}; while :; do sleep \"$NAP\"; done", timeout_s=1
    )

    assert done.timed_out
    assert 1 <= done.duration_s < 5
    assert place.sleepers() == []


def test_a_timeout_is_polite_first(open_place: Place) -> None:
    """A program that handles SIGTERM may clean up before it is killed."""
    done = open_place.sh('trap "touch cleaned; exit 9" TERM; sleep "$NAP" & wait', timeout_s=0.5)

    assert (done.timed_out, done.exit_code) == (True, 9)
    assert (open_place.clone / "cleaned").exists()


def test_sigterm_to_us_leaves_nothing(place: Place) -> None:
    """`Terminated` goes on, in time, with the program and its escaped descendants dead."""
    body = """
with signals.terminable():
    try:
        run()
    except Terminated as error:
        sys.exit(error.exit_code)
"""
    script = f"trap '' TERM; setsid {SLEEPER} & {WAIT}; while :; do sleep \"$NAP\"; done"
    with driver(place, body, "sh", "-c", script) as us:
        wait_for(place.clone / "up")
        began = time.monotonic()
        us.send_signal(signal.SIGTERM)

        assert us.wait(10) == 143
        assert time.monotonic() - began < 4.5
    assert place.sleepers() == []


def test_with_bubblewrap_it_dies_even_with_our_sigkill(boxed_place: Place) -> None:
    """Nobody is left to clean up, and still nothing is left for long."""
    with driver(boxed_place, "run()", "sh", "-c", f"setsid {SLEEPER} & {WAIT}; wait") as us:
        wait_for(boxed_place.clone / "up")
        us.kill()
        us.wait(10)

    deadline = time.monotonic() + 5
    while boxed_place.sleepers():
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


# --- others of ours are left alone ---------------------------------------------------------------


def test_exit_codes_of_other_threads_are_not_stolen(open_place: Place) -> None:
    """Children that another thread runs meanwhile are neither killed nor reaped."""
    stop = threading.Event()
    codes: list[int] = []

    def others() -> None:
        while not stop.is_set():
            done = process.run(
                ["sh", "-c", "(exit 1); exit 7"],
                env=environment.for_child(),
                timeout_s=20,
                check=False,
            )
            codes.append(done.exit_code)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for _ in range(10):
            open_place.sh('for i in 1 2 3; do setsid sleep "$NAP" & done')
    finally:
        stop.set()
        thread.join()

    assert len(codes) >= 10
    assert set(codes) == {7}
    assert open_place.sleepers() == []


def test_runs_side_by_side_do_not_end_each_other(tmp_path: Path) -> None:
    """A daemon of one run lives until that run ends, whatever other runs end meanwhile."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (make_place(tmp_path / name, Sandbox.OFF) for name in ("a", "b"))
    daemon = "(setsid sh -c 'touch up; until [ -e other ]; do sleep 0.01; done; touch lived' &)"
    ended: list[SandboxResult] = []
    thread = threading.Thread(
        target=lambda: ended.append(
            first.sh(f"{daemon}; until [ -e lived ]; do sleep 0.01; done; exit 5", timeout_s=15)
        )
    )
    thread.start()
    wait_for(first.clone / "up")

    second.sh('setsid sleep "$NAP" &')
    (first.clone / "other").touch()
    thread.join()

    assert [(done.exit_code, done.timed_out) for done in ended] == [(5, False)]


def test_a_server_of_ours_goes_on(open_place: Place) -> None:
    """What runs in the background of this process, in a session of its own, goes on."""
    with process.background(["sleep", "60"], env=environment.for_child()) as ours:
        library = subprocess.Popen(["sleep", "60"], start_new_session=True)
        try:
            open_place.sh('setsid sleep "$NAP" &')

            assert ours.poll() is None
            assert library.poll() is None
        finally:
            library.kill()
            library.wait()
