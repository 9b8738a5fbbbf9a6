"""Runs against a Task Runner of the documented protocol: no long poll, key, search or cancel.

There nobody can say afterwards whether a request made a job, so each is sent at most once, and
never before the journal knows of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.dag.plain_runner import PlainRunner
from tests.dag.running import dag, layered, run, step, write
from workflows.core import process
from workflows.core.config import environment
from workflows.dag.runner.pool import ConnectionPool
from workflows.task_runner import MockPlan

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    import pytest


def plain(**plan: object) -> PlainRunner:
    return PlainRunner(MockPlan.model_validate(plan))


def command(file: Path, url: str, *more: str) -> list[str]:
    words = [sys.executable, "-m", "workflows", "dag", "run", "--dag-path", str(file)]
    return [*words, "--tr-hostname", url, "--tr-auth-jwt", "none", "--run-id", "r1", *more]


def finish(words: list[str], folder: Path) -> process.Completed:
    env = environment.for_child({"HOME": str(folder)}.items())
    return process.run([*words, "--json"], env=env, timeout_s=60, check=False)


def test_a_job_that_runs_is_polled_until_it_has_ended() -> None:
    server = plain(duration=0.6)
    with server.serve() as url:
        summary = run(dag(step("a", timeout_s=20)), url, poll_interval=0.1)
    assert summary.succeeded
    assert server.ran == {"a": 1}
    assert 2 <= server.polls.total() <= 20


def test_nothing_is_asked_that_a_plain_runner_does_not_know_but_what_it_offers() -> None:
    server = plain(duration=0.3)
    with server.serve() as url:
        assert run(layered(5), url, poll_interval=0.05).succeeded
    beyond = {name for name in server.requests if name not in {"POST /job", "GET /jobstatus"}}
    assert beyond <= {"GET /capabilities"}
    assert server.requests["GET /capabilities"] == 1


def test_a_failed_job_is_tried_again_as_a_new_job_and_only_as_often_as_the_step_says() -> None:
    server = plain(jobs=[{"job": "a", "fail_times": 5}])
    with server.serve() as url:
        summary = run(dag(step("a", retries=2), step("b", "a")), url)
    assert summary.counts == {"failed": 1, "skipped": 1}
    assert server.ran == {"a": 3}


def test_an_answer_that_does_not_come_in_time_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workflows.dag.run.ConnectionPool", partial(ConnectionPool, timeout_s=0.4))
    server = plain()

    async def too_late(number: int) -> None:
        if number == 1:
            await asyncio.sleep(1)

    server.after_submission = too_late
    with server.serve() as url:
        summary = run(dag(step("a")), url)
    assert "may or may not have been made" in summary.failed[0]["message"]
    assert server.requests["POST /job"] == 1
    assert server.ran == {"a": 1}


def test_a_refusal_that_may_pass_is_got_over_and_a_lost_answer_is_told() -> None:
    """429 says that no job was made; a cut connection says nothing, so it is not repeated."""
    busy = plain(storm={"every": 3, "length": 2, "retry_after": 0.05})
    with busy.serve() as url:
        assert run(layered(20), url, poll_interval=0.05).succeeded
    assert set(busy.ran.values()) == {1}

    cut = plain(lost_rate=1, seed=1)
    with cut.serve() as url:
        summary = run(dag(step("a")), url)
    assert cut.ran == {"a": 1}
    assert "may or may not have been made" in summary.failed[0]["message"]


def test_the_journal_knows_of_an_attempt_before_it_is_submitted(tmp_path: Path) -> None:
    """Killed while the request is on its way: the resumed run does not make a second job."""
    server, file = plain(), write(tmp_path, dag(step("a"), step("b", "a")))
    children: list[subprocess.Popen[bytes]] = []

    async def kill(number: int) -> None:
        if number == 1:
            children[0].kill()
            await asyncio.to_thread(children[0].wait)

    server.before_submission = kill
    env = environment.for_child({"HOME": str(tmp_path)}.items())
    with server.serve() as url:
        words = command(file, url)
        with process.background(words, env=env, log=tmp_path / "log") as child:
            children.append(child)
            child.wait(30)
        resumed = finish(command(file, url, "--resume"), tmp_path)
    failed = json.loads(resumed.stdout)["failed"]
    assert resumed.exit_code == 1, resumed.stderr
    assert failed[0]["step"] == "a"
    assert "may or may not have been made" in failed[0]["message"]
    assert server.requests["POST /job"] == 1


def test_killed_after_the_id_is_known_the_same_job_is_followed(tmp_path: Path) -> None:
    server, file = plain(duration=1.5), write(tmp_path, dag(step("a"), step("b", "a")))
    env = environment.for_child({"HOME": str(tmp_path)}.items())
    with server.serve() as url:
        words = command(file, url, "--poll-interval", "0.05")
        with process.background(words, env=env, log=tmp_path / "log") as child:
            while server.polls.total() < 5 and child.poll() is None:
                time.sleep(0.005)
            child.kill()
            child.wait()
        resumed = finish([*words, "--resume"], tmp_path)
    assert resumed.exit_code == 0, resumed.stderr
    assert server.ran == {"a": 1, "b": 1}
