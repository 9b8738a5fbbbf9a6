"""What tests under Prefect share: a real server on 127.0.0.1, and what its API says of a run."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workflows.core import http, process
from workflows.core.config import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_START_LIMIT_S = 120


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """`workflows local prefect` on a free port; yields the API URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = environment.for_child({"HOME": str(home), "PREFECT_HOME": str(home)}.items())
    args = [sys.executable, "-m", "workflows", "local", "prefect", "--port", str(port)]
    with process.background(args, env=env, log=home / "server.log") as child:
        api = f"http://127.0.0.1:{port}/api"
        wait_for(lambda: answers(api) or child.poll() is not None, _START_LIMIT_S)
        assert child.poll() is None, (home / "server.log").read_text()
        yield api


def answers(api: str) -> bool:
    """Whether the server is up."""
    try:
        http.request("GET", f"{api}/health", timeout_s=2)
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True


def wait_for(condition: Callable[[], object], limit_s: float = 30) -> None:
    """Look until the condition holds; fails the test after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def query(api: str, what: str, **body: Any) -> list[dict[str, Any]]:
    """`POST /what/filter`."""
    found: list[dict[str, Any]] = http.request(
        "POST", f"{api}/{what}/filter", timeout_s=10, json_body=body
    ).json()
    return found


def run_named(api: str, title: str) -> dict[str, Any]:
    """The newest flow run of this name, in a final state."""
    filters = {"flow_runs": {"name": {"any_": [title]}}, "sort": "START_TIME_DESC"}
    wait_for(lambda: any(r["end_time"] for r in query(api, "flow_runs", **filters)[:1]))
    return query(api, "flow_runs", **filters)[0]


def tasks_of(api: str, run: dict[str, Any], least: int) -> dict[str, dict[str, Any]]:
    """Task runs of a flow run by step name, once there are so many and all are final.

    The server writes them down some time after it was told: a flow run may end before.
    """
    filters = {"flow_runs": {"id": {"any_": [run["id"]]}}}

    def ended() -> bool:
        found = query(api, "task_runs", **filters)
        return len(found) >= least and all(one["end_time"] for one in found)

    wait_for(ended)
    return {t["name"]: t for t in query(api, "task_runs", **filters)}


def artifacts_of(api: str, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The artifacts of a flow run by key; it must not have made two of one key."""
    found = query(api, "artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    by_key = {one["key"]: one for one in found}
    assert len(by_key) == len(found)
    return by_key
