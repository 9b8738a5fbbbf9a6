"""The cloud-run backend against the Cloud Run stand-in, whose executions are real processes."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse

from tests.task_runner.conftest import served
from workflows.core.errors import AuthenticationFailed
from workflows.core.google.cloud_run import SCOPE, CloudRunApi
from workflows.core.google.token import GoogleToken
from workflows.local.cloud_run import CloudRunServer
from workflows.servers.faults import Fault
from workflows.servers.serving import serve_app
from workflows.task_runner import TaskRunner
from workflows.task_runner.backends.cloud_run import (
    CloudRunJobs,
    CloudRunOptions,
    job_id_of,
    job_outcome,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from tests.task_runner.conftest import Client

PYTHON = "registry.example.com/demo/python:1"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudRunServer]:
    """A Cloud Run where the image PYTHON is an interpreter."""
    run = CloudRunServer(tmp_path / "cloud", images={PYTHON: [sys.executable, "-c"]}, grace_s=0.5)
    with run.serve():
        yield run


@contextmanager
def runner_of(
    cloud: CloudRunServer, journal: Path | None = None, **options: float
) -> Iterator[Client]:
    """A Task Runner that hands its jobs to this Cloud Run."""
    api = CloudRunApi("demo-project", "us-central1", lambda: "token", endpoint=cloud.url)
    backend = CloudRunJobs(api, CloudRunOptions(poll_s=0.05, **options))  # type: ignore[arg-type]
    with served(TaskRunner(backend, journal=journal)) as client:
        yield client


def test_a_job_is_an_execution_with_args_and_env(cloud: CloudRunServer) -> None:
    with runner_of(cloud) as client:
        script = "import os, sys; print(sys.argv[1], os.environ['COLOUR'])"
        job_id = client.submit("a", PYTHON, script, "hello", env={"COLOUR": "blue"})

        assert client.end(job_id) == {"jobId": job_id, "state": "SUCCEEDED", "exitCode": 0}

        (execution,) = cloud.executions
        assert execution.log() == "hello blue\n"
        assert execution.job.id == job_id_of(PYTHON)
        assert f"{cloud.url}/logs/{execution.id}" in client.log(job_id)


def test_one_cloud_run_job_serves_an_image_and_is_changed_where_it_differs(
    cloud: CloudRunServer,
) -> None:
    with runner_of(cloud) as client:
        jobs = [client.submit("a", PYTHON, "pass") for _ in range(3)]
        assert [client.end(job)["state"] for job in jobs] == ["SUCCEEDED"] * 3
    with runner_of(cloud, timeout_s=77) as client:
        assert client.end(client.submit("a", PYTHON, "pass"))["state"] == "SUCCEEDED"

    (job,) = cloud.jobs.values()
    assert (job.generation, job.execution_count) == (2, 4)
    assert job.template["template"]["timeout"] == "77s"
    assert job.template["template"]["maxRetries"] == 0


def test_the_message_of_an_execution_is_redacted() -> None:
    message = "cannot pull https://eve:s3cret-w0rd@registry.example.com/x"
    failed = {"type": "Completed", "state": "CONDITION_FAILED", "message": message}

    state, shown = job_outcome({"conditions": [failed]})

    assert state == "FAILED"
    assert shown == "cannot pull https://[redacted]@registry.example.com/x"


def test_a_failure_brings_its_exit_code_and_message(cloud: CloudRunServer) -> None:
    with runner_of(cloud) as client:
        found = client.end(client.submit("a", PYTHON, "raise SystemExit(5)"))

    assert (found["state"], found["exitCode"]) == ("FAILED", 5)
    assert "failed with message: The container exited with an error." in found["message"]


def test_a_timeout_is_a_failure(cloud: CloudRunServer) -> None:
    with runner_of(cloud, timeout_s=0.3) as client:
        found = client.end(client.submit("a", PYTHON, "import time; time.sleep(600)"))

    assert (found["state"], "timeout" in found["message"]) == ("FAILED", True)


def test_cancel_ends_the_execution(cloud: CloudRunServer) -> None:
    with runner_of(cloud) as client:
        job_id = client.submit("a", PYTHON, "import time; time.sleep(600)")
        while client.job(job_id)["state"] != "LOADING":
            time.sleep(0.02)

        assert client.cancel(job_id)["state"] == "CANCELLING"
        assert client.end(job_id)["state"] == "CANCELLED"

    assert [one.state for one in cloud.executions] == ["cancelled"]


def test_a_cancel_before_cloud_run_has_answered_still_cancels(cloud: CloudRunServer) -> None:
    cloud.faults.append(Fault("POST", ":run$", after=True, latency_s=0.5))
    with runner_of(cloud) as client:
        job_id = client.submit("a", PYTHON, "import time; time.sleep(600)")
        while not cloud.executions:
            time.sleep(0.01)

        assert client.cancel(job_id)["state"] == "CANCELLING"
        assert client.end(job_id)["state"] == "CANCELLED"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", ":run$", status=503),
        Fault("POST", ":run$", status=429, retry_after="0.1"),
        Fault("POST", ":run$", status=500, after=True),
        Fault("POST", ":run$", drop=True, after=True),
        Fault("GET", "/executions/", status=503, times=3),
        Fault("POST", "/jobs$", status=409, after=True),
    ],
    ids=["503", "429", "500 after", "lost answer", "looks fail", "created by another"],
)
def test_what_goes_wrong_on_the_way_starts_no_second_execution(
    cloud: CloudRunServer, fault: Fault
) -> None:
    cloud.faults.append(fault)
    with runner_of(cloud) as client:
        assert client.end(client.submit("a", PYTHON, "pass"))["state"] == "SUCCEEDED"

    assert len(cloud.executions) == 1


def test_a_role_without_overrides_fails_the_job_and_says_why(cloud: CloudRunServer) -> None:
    cloud.grant("token", "roles/run.invoker")
    cloud.grant("token", "roles/run.viewer")
    cloud.add_job(job_id_of(PYTHON), PYTHON, max_retries=0, timeout_s=3600)
    with runner_of(cloud) as client:
        found = client.end(client.submit("a", PYTHON, "pass"))

    assert found["state"] == "FAILED"
    assert "run.jobs.runWithOverrides" in found["message"]
    assert cloud.executions == []


def test_after_a_restart_running_executions_are_watched_again(
    cloud: CloudRunServer, tmp_path: Path
) -> None:
    gate, journal = tmp_path / "gate", tmp_path / "jobs.jsonl"
    wait = (
        "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(.01)"
    )
    with runner_of(cloud, journal) as client:
        job_id = client.submit("a", PYTHON, wait, str(gate), key="k")
        while client.job(job_id)["state"] != "LOADING":
            time.sleep(0.02)
    with runner_of(cloud, journal) as client:
        assert client.submit("a", PYTHON, wait, str(gate), key="k") == job_id
        gate.touch()

        assert client.end(job_id)["state"] == "SUCCEEDED"

    assert len(cloud.executions) == 1


def test_an_execution_whose_start_was_not_seen_is_adopted(
    cloud: CloudRunServer, tmp_path: Path
) -> None:
    """The journal has the job, but not yet its execution: as after a crash in between."""
    journal = tmp_path / "jobs.jsonl"
    with runner_of(cloud, journal) as client:
        seen = client.submit("a", PYTHON, "pass")
        client.end(seen)
    first = [line for line in journal.read_text().splitlines() if '"name"' in line]
    lost = first[0].replace(seen, "0-lost")
    journal.write_text("\n".join([first[0], lost]))

    with runner_of(cloud, journal) as client:
        assert client.end(seen)["state"] == "SUCCEEDED"
        assert "before Cloud Run took this job" in client.end("0-lost")["message"]
    assert len(cloud.executions) == 1


def test_ids_of_jobs_are_valid_and_differ_by_tag() -> None:
    images = ["a", "x/Ä__b:1", "x/Ä__b:2", "r.io/p/" + "n" * 90 + "@sha256:00"]
    ids = [job_id_of(image) for image in images]

    assert len(set(ids)) == 4
    assert all(len(one) <= 49 and one[:3] == "tr-" and one.isascii() for one in ids)


def test_tokens_come_from_google_auth_and_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth's own code against a metadata server, as on Cloud Run."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    asked: list[str] = []

    async def answer(request: Request) -> JSONResponse:
        asked.append(request.url.path)
        found: object = {"email": "runner@p.iam", "scopes": [], "aliases": ["default"]}
        if request.url.path.endswith("/token"):
            found = {"access_token": "ya29.x", "expires_in": 3600, "token_type": "Bearer"}
        elif request.url.path.endswith("/project-id"):
            found = "demo-project"
        return JSONResponse(found, headers={"Metadata-Flavor": "Google"})

    with serve_app(Starlette(routes=[Route("/{rest:path}", answer)])) as url:
        for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
            monkeypatch.setenv(name, url.removeprefix("http://"))
        # read once, when the module is imported: another test may have been first
        host = url.removeprefix("http://")
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)
        token = GoogleToken(SCOPE, "Cloud Run")

        assert [token(), token()] == ["ya29.x", "ya29.x"]
        assert len([path for path in asked if path.endswith("/token")]) == 1


def test_no_credentials_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json")

    with pytest.raises(AuthenticationFailed) as caught:
        GoogleToken(SCOPE, "Cloud Run")()

    assert "application-default login" in str(caught.value)
