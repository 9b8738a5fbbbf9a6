"""The process backend runs real programs: environment, logs, bounds, ends, restarts."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.task_runner.conftest import processes, served
from workflows.core.config import environment
from workflows.core.errors import ParametersInvalid
from workflows.core.process import background
from workflows.task_runner import ImageMap, TaskRunner

if TYPE_CHECKING:
    from tests.task_runner.conftest import Client


def eventually(path: Path) -> str:
    """The text of a file, once it has some."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} stays empty")


def alive(number: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(number: int) -> bool:
    """Whether a process ends within moments."""
    deadline = time.monotonic() + 10
    while alive(number) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(number)


def test_a_job_is_a_process_with_its_log(process: Client) -> None:
    job_id = process.submit("a", "demo/echo:1.2@sha256:00", "hello", "--world", "$HOME")

    assert process.end(job_id) == {"jobId": job_id, "state": "SUCCEEDED", "exitCode": 0}
    assert process.log(job_id) == "hello --world $HOME\n"


def test_a_failed_job_has_its_exit_code_and_last_words(process: Client) -> None:
    job_id = process.submit("a", "demo/fail", "x", "y")

    found = process.end(job_id)

    assert (found["state"], found["exitCode"]) == ("FAILED", 3)
    assert found["message"] == "exit code 3: failing on purpose: x y"


def test_the_last_line_of_a_failed_job_is_redacted(process: Client) -> None:
    script = "print('the token is glpat-abcdefghij0123456789'); raise SystemExit(3)"
    found = process.end(process.submit("a", "test/python", script))

    assert found["message"] == "exit code 3: the token is [redacted]"


def test_an_unknown_image_fails_and_names_the_map(process: Client) -> None:
    found = process.end(process.submit("a", "demo/ecko"))

    assert found["state"] == "FAILED"
    assert "no image 'demo/ecko' in images.yaml; it has demo/date, demo/echo" in found["message"]


def test_a_missing_program_fails_the_job(process: Client) -> None:
    found = process.end(process.submit("a", "test/missing"))

    assert found["state"] == "FAILED"
    assert "no-such-program-anywhere is not installed" in found["message"]


def test_a_job_sees_its_variables_and_none_of_ours(
    process: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TOKEN", "glpat-ours")
    job_id = process.submit("a", "demo/env", env={"COLOUR": "blue"})

    assert process.end(job_id)["state"] == "SUCCEEDED"
    lines = process.log(job_id).splitlines()
    assert {"COLOUR=blue", f"WORKFLOWS_JOB_ID={job_id}", "WORKFLOWS_JOB_NAME=a"} <= set(lines)
    assert not [line for line in lines if "glpat" in line]


def test_a_late_job_is_stopped(process: Client) -> None:
    found = process.end(process.submit("a", "test/late", "60"))

    assert found["state"] == "FAILED"
    assert (found["message"], found["exitCode"]) == ("it ran longer than 0.2 s", 128 + 15)


def test_a_job_killed_by_a_signal_says_which(process: Client) -> None:
    found = process.end(process.submit("a", "demo/shell", "echo bye; kill -KILL $$"))

    assert (found["exitCode"], found["message"]) == (128 + 9, "ended by SIGKILL: bye")


STUBBORN = """
import os, pathlib, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def test_cancel_ends_the_whole_group_even_a_stubborn_one(process: Client, tmp_path: Path) -> None:
    job_id = process.submit("a", "test/python", STUBBORN)
    pids = list(map(int, eventually(tmp_path / "runner" / job_id / "work" / "pids").split()))
    assert all(map(alive, pids))

    assert process.cancel(job_id)["state"] == "CANCELLING"
    assert process.end(job_id) == {"jobId": job_id, "state": "CANCELLED", "message": "cancelled"}

    assert all(map(gone, pids))


def test_a_waiting_job_is_cancelled_before_it_begins(tmp_path: Path) -> None:
    with served(TaskRunner(processes(tmp_path, workers=1))) as client:
        first, second = client.submit("a", "demo/sleep", "60"), client.submit("b", "demo/echo")

        assert client.cancel(second)["state"] == "CANCELLED"
        assert client.job(first)["state"] in {"QUEUED", "LOADING"}
        assert client.log(second) == ""


def test_no_more_jobs_run_at_once_than_allowed(tmp_path: Path) -> None:
    script = 'echo + >> "$1/marks"; sleep 0.1; echo - >> "$1/marks"'
    with served(TaskRunner(processes(tmp_path / "runner", workers=3))) as client:
        jobs = [client.submit("a", "demo/shell", script, "x", str(tmp_path)) for _ in range(12)]
        for job in jobs:
            assert client.end(job)["state"] == "SUCCEEDED"

    most = now = 0
    for mark in (tmp_path / "marks").read_text().split():
        now += 1 if mark == "+" else -1
        most = max(most, now)
    assert (most, now) == (3, 0)


def test_closing_stops_what_runs(tmp_path: Path) -> None:
    with served(TaskRunner(processes(tmp_path))) as client:
        job_id = client.submit("a", "demo/shell", "echo $$ > pid; sleep 600")
        waiting = eventually(tmp_path / job_id / "work" / "pid")
        runner = client.runner

    assert gone(int(waiting))
    job = runner.jobs.find(job_id)
    assert job is not None
    assert "stopped while this job was not done" in job.message


def test_after_a_restart_jobs_keys_and_logs_are_known(tmp_path: Path) -> None:
    journal = tmp_path / "jobs.jsonl"
    with served(TaskRunner(processes(tmp_path), journal=journal)) as client:
        done = client.submit("a", "demo/echo", "one", key="run/a", env={"SECRET": "hush-hush"})
        client.end(done)
        running = client.submit("b", "demo/sleep", "600")
    with journal.open("a") as file:
        file.write('\n{"id": "cut o')

    order = ("a", "demo/echo", "one")
    with served(TaskRunner(processes(tmp_path), journal=journal)) as client:
        assert client.job(done) == {"jobId": done, "state": "SUCCEEDED", "exitCode": 0}
        assert client.log(done) == "one\n"
        assert client.submit(*order, key="run/a", env={"SECRET": "hush-hush"}) == done
        assert client.post("a", "demo/echo", "two", key="run/a").status_code == 409
        assert client.job(running)["state"] == "FAILED"
        assert "stopped while" in client.job(running)["message"]
        assert client.runner.ran == {"a": 1, "b": 1}
        assert client.submit("c") not in {done, running}

    assert "hush" not in journal.read_text()
    assert journal.stat().st_mode & 0o077 == 0


def test_a_job_that_outlived_a_killed_runner_is_ended_before_it_counts_as_failed(
    tmp_path: Path,
) -> None:
    """Kill -9 of the Task Runner leaves its children; they must not run beside their retry."""
    args = [sys.executable, "-m", "workflows", "task-runner", "serve", "--port", "0"]
    args += ["--folder", str(tmp_path / "runner")]
    env = environment.for_child({"HOME": str(tmp_path)}.items())
    log = tmp_path / "log"
    with background(args, env=env, log=log) as server:
        url = re.search(r"http://\S+", eventually(log))
        assert url is not None
        body = {
            "job_name": "a",
            "imageUri": "demo/shell",
            "args": ["echo $$ > pid; sleep 600; true"],
        }
        made = httpx.post(f"{url[0]}/job", json=body, trust_env=False).json()["job"]
        pid = int(eventually(tmp_path / "runner" / made["jobId"] / "work" / "pid"))
        server.kill()
        server.wait()
    assert alive(pid)

    runner = TaskRunner(processes(tmp_path / "runner"), journal=tmp_path / "runner" / "jobs.jsonl")

    job = runner.jobs.find(made["jobId"])
    assert job is not None
    assert job.state == "FAILED"
    assert gone(pid)


def test_the_demo_map_runs(process: Client) -> None:
    for image, args in (
        ("demo/date", []),
        ("demo/sleep", ["0"]),
        ("demo/python", ["print(1)"]),
        ("workflows", ["--version"]),
    ):
        assert process.end(process.submit("a", image, *args))["state"] == "SUCCEEDED", image


def test_a_wrong_map_is_named(tmp_path: Path) -> None:
    for text, words in (("images: {a: []}", "images.a"), ("image: {}", "image"), ("- a", "no map")):
        file = tmp_path / "map.yaml"
        file.write_text(text)
        with pytest.raises(ParametersInvalid) as caught:
            ImageMap.read(file)
        assert words in str(caught.value)
