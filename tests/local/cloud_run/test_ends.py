"""How executions end, and are listed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tests.local.cloud_run.support import PARENT, Cloud, error, eventually, gone
from workflows.local.cloud_run import CloudRunServer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_failed_execution_says_so_everywhere(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "py", args=["raise SystemExit(7)"], max_retries=0)
    operation = cloud.ask("POST", "jobs/first:run", {}).json()
    execution = operation["metadata"]["name"].rpartition("/")[2]

    assert cloud.end(execution) == "failed"

    shown = cloud.get(f"jobs/first/executions/{execution}")
    condition = shown["conditions"][0]
    assert condition["state"] == "CONDITION_FAILED"
    assert condition["executionReason"] == "NON_ZERO_EXIT_CODE"
    assert (shown["failedCount"], shown["retriedCount"], shown["reconciling"]) == (1, 0, False)
    task = cloud.get(f"jobs/first/executions/{execution}/tasks")["tasks"][0]
    assert task["lastAttemptResult"]["exitCode"] == 7
    done = cloud.get(operation["name"].removeprefix(PARENT + "/"))
    assert (done["done"], done["error"]["message"]) == (True, condition["message"])


def test_an_operation_is_done_when_the_execution_is(cloud: Cloud, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = (
        "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(.01)"
    )
    cloud.run_.add_job("first", "py", args=[wait, str(gate)])
    operation = cloud.ask("POST", "jobs/first:run", {}).json()
    path = operation["name"].removeprefix(PARENT + "/")
    kind = "type.googleapis.com/google.cloud.run.v2.Execution"

    assert (operation["metadata"]["@type"], operation["done"]) == (kind, False)
    assert cloud.get(path)["done"] is False
    gate.touch()
    cloud.end(operation["metadata"]["name"].rpartition("/")[2])

    found = cloud.get(path)
    assert (found["done"], found["response"]["@type"]) == (True, kind)
    assert found["response"]["succeededCount"] == 1


def test_retries_count_attempts_and_stop_at_success(cloud: Cloud) -> None:
    script = "import os, sys; n = int(os.environ['CLOUD_RUN_TASK_ATTEMPT']); sys.exit(n < 2)"
    cloud.run_.add_job("first", "py", args=[script], max_retries=3)

    execution = cloud.run("first")

    assert cloud.end(execution) == "succeeded"
    assert cloud.run_.executions[0].exit_codes == [1, 1, 0]
    assert cloud.get(f"jobs/first/executions/{execution}")["retriedCount"] == 2


def test_retries_end_after_max_retries(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "py", args=["raise SystemExit(1)"], max_retries=2)

    assert cloud.end(cloud.run("first")) == "failed"
    assert cloud.run_.executions[0].exit_codes == [1, 1, 1]


POLITE = (
    "import pathlib, signal, sys, time\n"
    "def stop(*_): print('SIGTERM', flush=True); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, stop)\n"
    "pathlib.Path('up').write_text('yes')\n"
    "time.sleep(600)"
)
STUBBORN = (
    "import os, pathlib, signal, subprocess, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen(['sleep', '600'])\n"
    "pathlib.Path('up').write_text(f'{os.getpid()} {child.pid}')\n"
    "time.sleep(600)"
)


def up(cloud: Cloud, number: int = 0) -> str:
    """What the first attempt of an execution wrote when it was ready."""
    return eventually(cloud.run_.executions[number].folder / "task-0-attempt-0" / "up")


def test_a_timeout_sends_sigterm_and_a_polite_process_still_failed(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "py", args=[POLITE], max_retries=0)

    execution = cloud.run("first", timeout="1.5s")

    assert cloud.end(execution) == "failed"
    assert cloud.http.get(f"/logs/{execution}").text == "SIGTERM\n"
    condition = cloud.get(f"jobs/first/executions/{execution}")["conditions"][0]
    assert "timeout" in condition["message"]


def test_cancel_is_sigterm_then_sigkill_for_the_whole_group(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "py", args=[STUBBORN], max_retries=3)
    execution = cloud.run("first")
    pids = list(map(int, up(cloud).split()))
    started = time.monotonic()

    assert cloud.ask("POST", f"jobs/first/executions/{execution}:cancel", {}).status_code == 200
    assert cloud.end(execution) == "cancelled"

    assert time.monotonic() - started >= 0.5
    assert cloud.run_.executions[0].exit_codes == [-9]
    assert gone(pids)
    shown = cloud.get(f"jobs/first/executions/{execution}")
    assert shown["conditions"][0]["executionReason"] == "CANCELLED"
    assert shown["cancelledCount"] == 1
    again = cloud.ask("POST", f"jobs/first/executions/{execution}:cancel", {})
    assert error(again) == (400, "FAILED_PRECONDITION")


def test_leaving_stops_what_runs(tmp_path: Path) -> None:
    run = CloudRunServer(tmp_path, images={"py": [sys.executable, "-c"]})
    with run.serve():
        execution = run.start(run.add_job("first", "py", args=[STUBBORN]))
        pids = eventually(execution.folder / "task-0-attempt-0" / "up").split()

    assert execution.state == "cancelled"
    assert gone([int(pid) for pid in pids])


def test_executions_are_listed_newest_first_by_pages(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show")
    cloud.run_.add_job("first-b", "show")
    made = [cloud.run("first") for _ in range(3)]
    other = cloud.run("first-b")
    for one in (*made, other):
        cloud.end(one)

    page = cloud.get("jobs/first/executions?pageSize=2")
    rest = cloud.get(f"jobs/first/executions?pageSize=2&pageToken={page['nextPageToken']}")

    listed = [one["name"].rpartition("/")[2] for one in page["executions"] + rest["executions"]]
    assert listed == made[::-1]
    assert "nextPageToken" not in rest
    assert len(cloud.get("jobs/-/executions")["executions"]) == 4
    assert cloud.ask("DELETE", f"jobs/first/executions/{made[0]}").status_code == 200
    assert len(cloud.get("jobs/first/executions")["executions"]) == 2
