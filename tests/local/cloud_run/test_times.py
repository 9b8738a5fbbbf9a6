"""When things happened, as the Cloud Run stand-in tells it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx

from workflows.local.cloud_run import CloudRunServer

if TYPE_CHECKING:
    from pathlib import Path

TIMES = ("createTime", "startTime", "completionTime")


def _task(folder: Path, program: str) -> dict[str, str]:
    """The one task of an execution that has ended, as the API shows it."""
    run = CloudRunServer(folder, images={"it": [program, "-c", "pass"]})
    job = run.add_job("first", "it", max_retries=0)
    with run.serve() as url:
        execution = run.start(job)
        run.wait(execution)
        answer = httpx.get(f"{url}/v2/{execution.name}/tasks", trust_env=False)
    found: dict[str, str] = answer.json()["tasks"][0]
    return found


def test_a_task_is_made_then_started_then_completed(tmp_path: Path) -> None:
    task = _task(tmp_path, sys.executable)

    times = [task[name] for name in TIMES]
    assert times == sorted(times)


def test_a_task_that_never_started_has_no_time_of_it(tmp_path: Path) -> None:
    task = _task(tmp_path, "/no/such/program")

    assert [name for name in TIMES if name in task] == ["createTime", "completionTime"]
