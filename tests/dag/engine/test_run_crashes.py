"""Runs as processes that are killed, stopped and started again, and two on one run id."""

from __future__ import annotations

import json
import random  # noqa: TID251 - moments to kill at, not names
import re
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.dag.plain_runner import PlainRunner
from tests.dag.running import dag, layered, step, write
from workflows.core import process
from workflows.core.config import environment
from workflows.dag.journal.stores import read_run_record
from workflows.dag.states import StepState
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.dag.engine.conftest import AnyRunner, MakeRunner

_KILLS = 20


def command(file: Path, url: str, *more: str) -> list[str]:
    words = [sys.executable, "-m", "workflows", "dag", "run", "--dag-path", str(file)]
    return [*words, "--tr-hostname", url, "--tr-auth-jwt", "none", "--run-id", "r1", *more]


def background(words: list[str], folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    env = environment.for_child({"HOME": str(folder)}.items())
    return process.background(words, env=env, log=folder / "log")


def finish(words: list[str], folder: Path) -> process.Completed:
    env = environment.for_child({"HOME": str(folder)}.items())
    return process.run([*words, "--json"], env=env, timeout_s=60, check=False)


def wait_for_jobs(server: AnyRunner, count: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while len(server.ran) < count and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def test_killed_at_twenty_moments_no_step_runs_twice(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - the same moments each time
    what = layered(1_000, width=50)
    file = write(tmp_path, what)
    server = TaskRunner(Mock(MockPlan(duration=0.002)))  # type: ignore[arg-type]
    marks = sorted(chance.sample(range(5, 990), _KILLS))
    with server.serve() as url:
        words = command(file, url, "--resume", "--quiet")
        for mark in marks:
            with background(words, tmp_path) as child:
                wait_for_jobs(server, mark, child)
                time.sleep(chance.random() / 100)
                child.kill()
                child.wait()
        done = finish(words, tmp_path)
    facts = json.loads(done.stdout)
    assert done.exit_code == 0, done.stderr
    assert facts["counts"] == {"succeeded": 1_000}
    assert len(server.ran) == 1_000
    assert set(server.ran.values()) == {1}


def unknown_jobs(journal: Path) -> set[str]:
    """The steps of which the journal knows that they were to be submitted, and no more."""
    record = read_run_record(str(journal), "r1")
    if record is None:
        return set()
    steps = record.steps.items()
    return {record.header.steps[n] for n, one in steps if one.state is StepState.READY}


def test_killed_at_five_moments_a_plain_runner_gets_only_those_jobs_again_that_are_unknown(
    tmp_path: Path,
) -> None:
    """The run that is resumed first says of those that they may have been made."""
    chance = random.Random(7)  # noqa: S311 - the same moments each time
    file, journal = write(tmp_path, layered(300, width=30)), tmp_path / "journal"
    server = PlainRunner(MockPlan(duration=0.002))  # type: ignore[arg-type]
    unknown: Counter[str] = Counter()
    with server.serve() as url:
        words = command(file, url, "--resume", "--quiet", "--journal", str(journal))
        for mark in (20, 70, 130, 180, 240):
            with background(words, tmp_path) as child:
                wait_for_jobs(server, mark, child)
                time.sleep(chance.random() / 100)
                child.kill()
                child.wait()
            unknown.update(unknown_jobs(journal))
        done = finish(words, tmp_path)
        said = {one["step"] for one in json.loads(done.stdout)["failed"]}
        assert said <= set(unknown)
        if done.exit_code:
            done = finish(words, tmp_path)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"succeeded": 300}
    assert {name: n for name, n in server.ran.items() if n > 1 + unknown[name]} == {}
    assert len(server.ran) == 300


def test_sigterm_ends_the_run_with_143_and_it_can_be_resumed(
    runner: MakeRunner, tmp_path: Path
) -> None:
    file = write(tmp_path, dag(step("a"), step("b", "a")))
    server = runner(duration=1.5)
    with server.serve() as url:
        with background(command(file, url), tmp_path) as child:
            wait_for_jobs(server, 1, child)
            child.send_signal(signal.SIGTERM)
            assert child.wait(5) == 143
        done = finish(command(file, url, "--resume"), tmp_path)
    assert done.exit_code == 0, done.stderr
    assert server.ran == {"a": 1, "b": 1}


def test_cancel_on_exit_cancels_what_runs(tmp_path: Path) -> None:
    file = write(tmp_path, dag(step("a")))
    server = TaskRunner(Mock(MockPlan(duration=30)))  # type: ignore[arg-type]
    with server.serve() as url:
        with background(command(file, url, "--cancel-on-exit"), tmp_path) as child:
            wait_for_jobs(server, 1, child)
            child.send_signal(signal.SIGTERM)
            assert child.wait(5) == 143
        assert server.jobs.alive() == [] or server.jobs.alive()[0].state == "CANCELLING"


def test_what_was_cancelled_on_exit_is_run_again_by_the_resumed_run(tmp_path: Path) -> None:
    file = write(tmp_path, dag(step("a"), step("b", "a")))
    mock = Mock(MockPlan(duration=30))  # type: ignore[arg-type]
    server = TaskRunner(mock)
    with server.serve() as url:
        with background(command(file, url, "--cancel-on-exit"), tmp_path) as child:
            wait_for_jobs(server, 1, child)
            child.send_signal(signal.SIGTERM)
            assert child.wait(5) == 143
        mock.plan = MockPlan()
        done = finish(command(file, url, "--resume", "--json"), tmp_path)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"succeeded": 2}
    assert server.ran == {"a": 2, "b": 1}


def test_a_runner_that_does_not_answer_a_cancel_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    file = write(tmp_path, dag(step("a")))
    mock = Mock(MockPlan(duration=30))  # type: ignore[arg-type]
    server = TaskRunner(mock)
    with (
        server.serve() as url,
        background(command(file, url, "--cancel-on-exit"), tmp_path) as child,
    ):
        wait_for_jobs(server, 1, child)
        mock.plan = MockPlan(duration=30, latency=20)  # type: ignore[arg-type]
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 143


def test_a_second_process_on_the_same_run_id_is_refused(runner: MakeRunner, tmp_path: Path) -> None:
    file = write(tmp_path, dag(step("a")))
    server = runner(duration=30)
    with server.serve() as url, background(command(file, url), tmp_path) as child:
        wait_for_jobs(server, 1, child)
        second = finish(command(file, url, "--resume"), tmp_path)
    assert second.exit_code == 1
    assert "running in another process" in second.stderr
    assert server.ran == {"a": 1}


def test_exit_codes_and_what_is_said(runner: MakeRunner, tmp_path: Path) -> None:
    file = write(tmp_path, dag(step("a"), step("b", "a")))
    server = runner(jobs=[{"job": "b", "fail_times": 1}])
    page = tmp_path / "report.html"
    with server.serve() as url:
        failed = finish(command(file, url, "--report", str(page)), tmp_path)
        bad = tmp_path / "bad.json"
        bad.write_text('{"name": "x", "steps": [{"id": "a", "dependsOn": ["zzz"]}]}')
        before = server.ran.total()
        refused = finish(command(bad, url), tmp_path)
        assert server.ran.total() == before
    gone = finish(command(file, url, "--resume"), tmp_path)
    assert failed.exit_code == 1
    assert "b: failed" in failed.stderr
    assert json.loads(failed.stdout)["failed"][0]["step"] == "b"
    assert "<h2>Failures</h2>" in page.read_text()
    assert re.search(r"<title>b\n.*?stroke=\"#c62828\"", page.read_text(), re.DOTALL)
    assert refused.exit_code == 2
    assert gone.exit_code == 75
