"""The Cloud Run stand-in, and a client of its API."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from workflows.local.cloud_run import CloudRunServer


PARENT = "projects/demo-project/locations/us-central1"
SHOW = (
    "import json, os, sys; print(json.dumps({'args': sys.argv[1:],"
    " 'env': {k: v for k, v in os.environ.items() if k[0] != '_'}}))"
)


class Cloud:
    """The stand-in, and a client of its API."""

    def __init__(self, run: CloudRunServer, http: httpx.Client) -> None:
        self.run_ = run
        self.http = http

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, f"/v2/{PARENT}/{path}", json=body, headers=headers)

    def get(self, path: str) -> dict[str, Any]:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def run(self, job: str, **overrides: Any) -> str:
        """Run a job through the API; the id of its execution."""
        body = {"overrides": overrides} if overrides else {}
        answer = self.ask("POST", f"jobs/{job}:run", body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["metadata"]["name"]).rpartition("/")[2]

    def end(self, execution_id: str) -> str:
        """The state of an execution once it has ended."""
        found = next(one for one in self.run_.executions if one.id == execution_id)
        return self.run_.wait(found, 30)

    def output(self, execution_id: str) -> dict[str, Any]:
        """What the program SHOW printed."""
        assert self.end(execution_id) == "succeeded"
        found: dict[str, Any] = json.loads(self.http.get(f"/logs/{execution_id}").text)
        return found


def template(**task: Any) -> dict[str, Any]:
    return {"template": {"template": {"containers": [{"image": "show"}], **task}}}


def error(answer: httpx.Response) -> tuple[int, str]:
    """Code and status of an error in Google's shape."""
    found = answer.json()["error"]
    assert found["code"] == answer.status_code
    assert found["message"]
    return answer.status_code, found["status"]


def eventually(path: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} stays empty")


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: list[int]) -> bool:
    """Whether all have ended; what was killed may take a moment to be gone."""
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(alive, pids))
