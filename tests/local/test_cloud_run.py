"""The Cloud Run stand-in: resources, overrides, permissions, and executions that are processes."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from workflows.local.cloud_run import CloudRun
from workflows.local.gitlab_server.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = "projects/demo-project/locations/us-central1"
SHOW = (
    "import json, os, sys; print(json.dumps({'args': sys.argv[1:],"
    " 'env': {k: v for k, v in os.environ.items() if k[0] != '_'}}))"
)


class Cloud:
    """The stand-in, and a client of its API."""

    def __init__(self, run: CloudRun, http: httpx.Client) -> None:
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


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A Cloud Run where the image `show` prints what it got and `py` is an interpreter."""
    images = {"show": [sys.executable, "-c", SHOW], "py*": [sys.executable, "-c"]}
    run = CloudRun(tmp_path / "cloud", images=images, grace_s=0.5)
    with run.serve() as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        yield Cloud(run, http)


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


# --- jobs ------------------------------------------------------------------------------------


def test_a_job_is_created_read_changed_listed_and_deleted(cloud: Cloud) -> None:
    made = cloud.ask("POST", "jobs?jobId=first", template()).json()
    assert made["done"] is True
    assert made["response"]["@type"] == "type.googleapis.com/google.cloud.run.v2.Job"
    assert made["response"]["name"] == f"{PARENT}/jobs/first"
    assert cloud.get(made["name"].removeprefix(PARENT + "/")) == made

    cloud.ask("PATCH", "jobs/first", template(timeout="30s"))
    changed = cloud.get("jobs/first")

    assert (changed["generation"], changed["template"]["template"]["timeout"]) == ("2", "30s")
    assert [job["name"] for job in cloud.get("jobs")["jobs"]] == [f"{PARENT}/jobs/first"]
    assert cloud.ask("DELETE", "jobs/first").status_code == 200
    assert error(cloud.ask("GET", "jobs/first")) == (404, "NOT_FOUND")


def test_refusals_have_googles_shape(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show")
    assert error(cloud.ask("POST", "jobs?jobId=first", template())) == (409, "ALREADY_EXISTS")
    assert error(cloud.ask("POST", "jobs?jobId=No_Good", template())) == (400, "INVALID_ARGUMENT")
    assert error(cloud.ask("POST", "jobs?jobId=x", {})) == (400, "INVALID_ARGUMENT")
    assert error(cloud.ask("POST", "jobs/none:run", {})) == (404, "NOT_FOUND")
    assert error(cloud.ask("GET", "jobs/first/executions/first-abcde")) == (404, "NOT_FOUND")
    assert error(cloud.ask("GET", "operations/none")) == (404, "NOT_FOUND")
    stale = template() | {"etag": '"old"'}
    assert error(cloud.ask("PATCH", "jobs/first", stale)) == (409, "ABORTED")
    bad = cloud.http.post(f"/v2/{PARENT}/jobs/first:run", content="{")
    assert error(bad) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "task",
    [
        {"timeout": "10m"},
        {"timeout": "604801s"},
        {"maxRetries": 11},
        {"containers": []},
        {"containers": [{"image": "x", "args": "y"}]},
        {"containers": [{"image": "x", "env": [{"name": "CLOUD_RUN_JOB", "value": "y"}]}]},
        {"containers": [{"image": "x", "env": [{"name": "A", "value": "x" * 32_769}]}]},
    ],
)
def test_a_template_that_is_not_allowed_is_400(cloud: Cloud, task: dict[str, Any]) -> None:
    assert error(cloud.ask("POST", "jobs?jobId=x", template(**task)))[0] == 400


# --- runs and overrides ----------------------------------------------------------------------


def test_a_run_gets_the_jobs_args_and_env_and_cloud_runs_own_variables(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show", args=["--a=1"], env={"COLOUR": "blue"})

    execution = cloud.run("first")
    found = cloud.output(execution)

    assert re.fullmatch(r"first-[a-z0-9]{5}", execution)
    assert found["args"] == ["--a=1"]
    env = found["env"]
    assert env["COLOUR"] == "blue"
    assert {name: env[name] for name in env if name.startswith("CLOUD_RUN")} == {
        "CLOUD_RUN_JOB": "first",
        "CLOUD_RUN_EXECUTION": execution,
        "CLOUD_RUN_TASK_INDEX": "0",
        "CLOUD_RUN_TASK_ATTEMPT": "0",
        "CLOUD_RUN_TASK_COUNT": "1",
    }


def test_args_are_replaced_and_env_is_merged(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show", args=["a", "b"], env={"KEPT": "1", "CHANGED": "1"})
    env = [{"name": "CHANGED", "value": "2"}, {"name": "NEW", "value": "3"}]

    found = cloud.output(cloud.run("first", containerOverrides=[{"args": ["c"], "env": env}]))

    assert found["args"] == ["c"]
    assert [found["env"].get(name) for name in ("KEPT", "CHANGED", "NEW")] == ["1", "2", "3"]
    again = cloud.output(cloud.run("first"))
    assert (again["args"], again["env"].get("NEW")) == (["a", "b"], None)


def test_an_empty_list_of_args_is_no_override_and_clear_args_is(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show", args=["a"])

    kept = cloud.output(cloud.run("first", containerOverrides=[{"args": []}]))
    cleared = cloud.output(cloud.run("first", containerOverrides=[{"clearArgs": True}]))

    assert (kept["args"], cleared["args"]) == (["a"], [])


def test_there_is_no_other_override(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show")
    for overrides in (
        {"containerOverrides": [{"command": ["sh"]}]},
        {"containerOverrides": [{"image": "other"}]},
        {"maxRetries": 0},
        {"containerOverrides": [{"name": "other"}]},
        {"containerOverrides": [{"env": [{"name": "CLOUD_RUN_JOB", "value": "x"}]}]},
    ):
        answer = cloud.ask("POST", "jobs/first:run", {"overrides": overrides})
        assert error(answer) == (400, "INVALID_ARGUMENT")
    assert cloud.run_.executions == []


def test_tasks_run_side_by_side_with_their_index(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "py", args=["import os; print(os.environ['CLOUD_RUN_TASK_INDEX'])"])

    execution = cloud.run("first", taskCount=3)

    assert cloud.end(execution) == "succeeded"
    assert sorted(cloud.http.get(f"/logs/{execution}").text.split()) == ["0", "1", "2"]
    shown = cloud.get(f"jobs/first/executions/{execution}")
    assert (shown["taskCount"], shown["succeededCount"]) == (3, 3)


def test_a_secret_reaches_the_process_and_not_the_api(cloud: Cloud) -> None:
    reference = {"secretKeyRef": {"secret": "projects/p/secrets/git-token", "version": "1"}}
    container = {"image": "show", "env": [{"name": "GIT_TOKEN", "valueSource": reference}]}
    cloud.ask("POST", "jobs?jobId=first", template(containers=[container]))
    cloud.run_.secrets["git-token"] = "glpat-hush"

    execution = cloud.run("first")

    assert cloud.output(execution)["env"]["GIT_TOKEN"] == "glpat-hush"
    assert "hush" not in json.dumps(cloud.get("jobs/first/executions"))


def test_our_own_image_is_this_program(cloud: Cloud) -> None:
    cloud.run_.add_job("flow", args=["--version"])

    execution = cloud.run("flow")

    assert cloud.end(execution) == "succeeded"
    assert cloud.http.get(f"/logs/{execution}").text.startswith("workflows ")


# --- ends ------------------------------------------------------------------------------------


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
    run = CloudRun(tmp_path, images={"py": [sys.executable, "-c"]})
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


# --- who may, and what goes wrong --------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "plain", "overrides", "cancel", "read"),
    [
        ("roles/run.developer", 200, 200, 200, 200),
        ("roles/run.invoker", 200, 403, 403, 403),
        ("roles/run.jobsExecutor", 200, 403, 200, 403),
        ("roles/run.jobsExecutorWithOverrides", 200, 200, 200, 403),
        ("roles/run.viewer", 403, 403, 403, 200),
    ],
)
def test_a_role_may_do_what_google_says(
    cloud: Cloud, role: str, plain: int, overrides: int, cancel: int, read: int
) -> None:
    job = cloud.run_.add_job("first", "py", args=["import time; time.sleep(600)"])
    execution = cloud.run_.start(job)
    cloud.run_.grant("token", role)
    body = {"overrides": {"containerOverrides": [{"args": ["pass"]}]}}

    answers = [
        cloud.ask("POST", "jobs/first:run", {}, "token"),
        cloud.ask("POST", "jobs/first:run", body, "token"),
        cloud.ask("POST", f"jobs/first/executions/{execution.id}:cancel", {}, "token"),
        cloud.ask("GET", f"jobs/first/executions/{execution.id}", None, "token"),
    ]

    assert [answer.status_code for answer in answers] == [plain, overrides, cancel, read]
    for answer in answers:
        if answer.status_code == 403:
            assert error(answer) == (403, "PERMISSION_DENIED")
    if overrides == 403 and plain == 200:
        assert "'run.jobs.runWithOverrides' denied on resource" in answers[1].text


def test_a_role_on_one_job_is_none_on_another_and_a_wrong_token_is_401(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show")
    cloud.run_.add_job("second", "show")
    cloud.run_.grant("token", "roles/run.jobsExecutorWithOverrides", job="first")

    assert cloud.ask("POST", "jobs/first:run", {}, "token").status_code == 200
    assert error(cloud.ask("POST", "jobs/second:run", {}, "token"))[0] == 403
    assert error(cloud.ask("POST", "jobs/first:run", {}, "other")) == (401, "UNAUTHENTICATED")
    assert error(cloud.ask("POST", "jobs/first:run", {})) == (401, "UNAUTHENTICATED")


def test_faults_hit_chosen_requests_in_the_apis_shape(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show")
    cloud.run_.faults += [
        Fault("POST", ":run$", status=503),
        Fault("POST", ":run$", status=429, retry_after="2"),
        Fault("POST", ":run$", drop=True, after=True),
    ]

    assert error(cloud.ask("POST", "jobs/first:run", {})) == (503, "UNAVAILABLE")
    stormy = cloud.ask("POST", "jobs/first:run", {})
    assert (error(stormy), stormy.headers["retry-after"]) == ((429, "RESOURCE_EXHAUSTED"), "2")
    assert cloud.run_.executions == []
    with pytest.raises(httpx.TransportError):
        cloud.ask("POST", "jobs/first:run", {})
    assert len(cloud.run_.executions) == 1
