"""What a Task Runner says of a job may hold a secret: no summary, error or journal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dag.running import RecordingDisplay, dag, run, step
from workflows.core.errors import RunnerUnusable
from workflows.servers.serving import serve_app
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "glpat-abcdefghij0123456789"


class Messages(RecordingDisplay):
    """Remembers what was said of each further try."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def retried(self, step: int, message: str, wait_s: float) -> None:
        self.said.append(message)


def failing() -> TaskRunner:
    rule = {"job": "a", "failure_rate": 1, "message": f"cannot clone with {TOKEN}"}
    return TaskRunner(Mock(MockPlan.model_validate({"jobs": [rule]})))


def test_a_runners_message_is_redacted(tmp_path: Path) -> None:
    told = Messages()
    options: dict[str, Any] = {"journal": str(tmp_path), "run_id": "r1"}
    with failing().serve() as url:
        summary = run(dag(step("a", retries=1)), url, told, **options)

    assert summary.failed == [
        {"step": "a", "state": "failed", "message": "cannot clone with [redacted]"}
    ]
    assert told.said == ["cannot clone with [redacted]"]
    assert TOKEN not in str(summary.error())
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"cannot clone with [redacted]" in written
    assert TOKEN.encode() not in written


def test_a_password_in_a_redirects_target_is_not_shown() -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            place = b"https://eve:s3cret-w0rd@other.example.com/job"
            head = {"type": "http.response.start", "status": 302, "headers": [(b"location", place)]}
            await send(head)
            await send({"type": "http.response.body", "body": b""})

    with serve_app(app) as url, pytest.raises(RunnerUnusable) as caught:
        run(dag(step("a")), url)

    assert "other.example.com/job" in caught.value.why
    assert "s3cret-w0rd" not in str(caught.value) + caught.value.why
