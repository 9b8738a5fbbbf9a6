"""A Task Runner on a free port, and a client of it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from workflows.task_runner import ImageMap, Mock, MockPlan, Processes, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


class Client:
    """Speaks the protocol as its users do."""

    def __init__(self, runner: TaskRunner, url: str, http: httpx.Client) -> None:
        self.runner = runner
        self.url = url
        self.http = http

    def post(self, name: str, image: str = "demo/echo", *args: str, **more: Any) -> httpx.Response:
        key = more.pop("key", None)
        headers = {"Idempotency-Key": key} if key else {}
        body = {"job_name": name, "imageUri": image, "args": list(args), **more}
        return self.http.post("/job", json=body, headers=headers)

    def submit(self, name: str, image: str = "demo/echo", *args: str, **more: Any) -> str:
        answer = self.post(name, image, *args, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["job"]["jobId"])

    def job(self, job_id: str, wait: float | None = None) -> dict[str, Any]:
        query = {"job_id": job_id} | ({} if wait is None else {"wait": str(wait)})
        answer = self.http.get("/jobstatus", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["job"]
        return found

    def end(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended; by long poll."""
        for _ in range(4):
            found = self.job(job_id, wait=10)
            if found["state"] in FINAL:
                return found
        raise AssertionError(found)

    def cancel(self, job_id: str) -> dict[str, Any]:
        answer = self.http.post("/job/cancel", params={"job_id": job_id})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["job"]
        return found

    def log(self, job_id: str) -> str:
        return self.http.get("/job/log", params={"job_id": job_id}).text


@contextmanager
def served(runner: TaskRunner) -> Iterator[Client]:
    """The runner on a free port."""
    with (
        runner.serve() as url,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as http,
    ):
        yield Client(runner, url, http)


@contextmanager
def mocked(**plan: Any) -> Iterator[Client]:
    """The mock with this plan."""
    with served(TaskRunner(Mock(MockPlan.model_validate(plan)))) as client:
        yield client


def processes(folder: Path, **options: Any) -> Processes:
    """The process backend with the demo's images and some more."""
    demo = ImageMap.read(Path("demo"))
    images = ImageMap.model_validate(
        {
            "images": {
                **demo.model_dump()["images"],
                "test/python": {"command": [sys.executable, "-c"]},
                "test/late": {"command": ["sleep"], "timeout": 0.2},
                "test/missing": ["no-such-program-anywhere"],
            },
            "source": "images.yaml",
        }
    )
    return Processes(images, folder, **options)


@pytest.fixture
def mock() -> Iterator[Client]:
    """A mock whose jobs take no time and never fail."""
    with mocked() as client:
        yield client


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Client]:
    """The process backend, with half a second from SIGTERM to SIGKILL."""
    with served(TaskRunner(processes(tmp_path / "runner", grace_s=0.5))) as client:
        yield client
