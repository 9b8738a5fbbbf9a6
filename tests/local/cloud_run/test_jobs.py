"""Jobs of the Cloud Run stand-in: made, read, changed, refused; and who may."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.local.cloud_run.support import PARENT, Cloud, error, template
from workflows.servers.faults import Fault


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
