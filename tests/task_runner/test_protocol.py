"""The protocol, whatever carries the jobs out: shapes, refusals, keys, long polls, tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.task_runner.conftest import mocked, served
from workflows.task_runner import Mock, MockPlan, TaskRunner
from workflows.task_runner.auth import TokenCheck

if TYPE_CHECKING:
    from tests.task_runner.conftest import Client

BODY = {"job_name": "a", "imageUri": "demo/echo", "args": ["x"]}


def message(answer: httpx.Response) -> str:
    """The words of an error; it must have the protocol's shape."""
    found = answer.json()
    assert list(found) == ["error"], found
    assert list(found["error"]) == ["message"], found
    return str(found["error"]["message"])


def test_a_job_is_submitted_and_looked_at(mock: Client) -> None:
    answer = mock.http.post("/job", json=BODY)

    job = answer.json()["job"]
    assert (answer.status_code, set(job), job["state"]) == (200, {"jobId", "state"}, "NEW")
    assert mock.job(job["jobId"]) == {"jobId": job["jobId"], "state": "SUCCEEDED", "exitCode": 0}


def test_args_may_be_null_or_missing(mock: Client) -> None:
    """The original runner's client sends null for no arguments."""
    for body in (
        {"job_name": "a", "imageUri": "i", "args": None},
        {"job_name": "a", "imageUri": "i"},
    ):
        assert mock.http.post("/job", json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", ["must be a JSON object"]),
        ("{", ["not JSON"]),
        ("[" * 100_000, ["not JSON"]),
        ('{"job_name": "a", "imageUri": "i", "args": "x"}', ["args must be a list"]),
        ('{"job_name": "a", "imageUri": "i", "args": [1]}', ["args must be a list"]),
        ('{"job_name": "a", "imageUri": "i", "args": ["\\u0000"]}', ["args must be a list"]),
        ('{"job_name": "a", "imageUri": "i", "args": ["\\ud800"]}', ["args must be a list"]),
        ('{"job_name": "a", "imageUri": "i", "env": {"A=B": "x"}}', ["a name in env"]),
        ('{"job_name": 1, "image": "i"}', ["job_name", "imageUri", "unknown key 'image'"]),
    ],
)
def test_a_wrong_body_is_400_with_every_finding(mock: Client, body: str, words: list[str]) -> None:
    answer = mock.http.post("/job", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    for word in words:
        assert word in message(answer)
    assert mock.runner.ran.total() == 0


def test_other_refusals_are_json_too(mock: Client) -> None:
    http = mock.http
    text = {"Content-Type": "text/plain"}
    cases = [
        (http.post("/job", content="{}", headers=text), 415),
        (http.get("/jobstatus"), 400),
        (http.get("/jobstatus", params={"job_id": "nope"}), 404),
        (http.get("/jobs"), 400),
        (http.get("/nothing"), 404),
        (http.get("/job"), 405),
        (http.post("/job", json=BODY, headers={"Idempotency-Key": "k" * 256}), 400),
        (http.post("/job", json=BODY | {"args": ["x" * 5_000_000]}), 413),
    ]
    for answer, status in cases:
        assert answer.status_code == status
        assert message(answer)


def test_a_name_is_escaped_in_the_query(mock: Client) -> None:
    name = "Ä b&c=d/%41"
    job_id = mock.submit(name)

    listed = mock.http.get("/jobs", params={"job_name": name}).json()["jobs"]

    assert [(job["jobId"], job["job_name"]) for job in listed] == [(job_id, name)]


def test_jobs_of_a_name_are_listed_newest_first(mock: Client) -> None:
    made = [mock.submit("a") for _ in range(3)]
    mock.submit("b")

    listed = mock.http.get("/jobs", params={"job_name": "a"}).json()["jobs"]

    assert [job["jobId"] for job in listed] == made[::-1]


def test_a_key_finds_its_job_again(mock: Client) -> None:
    first = mock.submit("a", "demo/echo", "x", key="run-1/a")
    again = mock.submit("a", "demo/echo", "x", key="run-1/a")
    refused = mock.post("a", "demo/echo", "y", key="run-1/a")

    assert (first, mock.runner.ran["a"]) == (again, 1)
    assert (refused.status_code, "another body" in message(refused)) == (409, True)


def test_equal_keys_posted_at_once_make_one_job(mock: Client) -> None:
    barrier = threading.Barrier(16)

    def post(_: int) -> str:
        with httpx.Client(base_url=mock.url, trust_env=False, timeout=30) as http:
            barrier.wait()
            answer = http.post("/job", json=BODY, headers={"Idempotency-Key": "k"})
            return str(answer.json()["job"]["jobId"])

    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(post, range(16)))

    assert (len(made), mock.runner.ran["a"]) == (1, 1)


def test_a_long_poll_ends_with_the_job() -> None:
    with mocked(duration=0.4) as client:
        job_id = client.submit("a")
        assert client.job(job_id)["state"] == "LOADING"
        started = time.monotonic()

        found = client.job(job_id, wait=20)

        assert found["state"] == "SUCCEEDED"
        assert 0.2 < time.monotonic() - started < 5


def test_a_long_poll_gives_up_in_time() -> None:
    with mocked(duration=60) as client:
        job_id = client.submit("a")
        started = time.monotonic()

        found = client.job(job_id, wait=0.3)

        assert (found["state"], 0.25 < time.monotonic() - started < 5) == ("LOADING", True)
        for wrong in ("soon", "-1", "nan", "inf"):
            query = {"job_id": job_id, "wait": wrong}
            assert client.http.get("/jobstatus", params=query).status_code == 400


def test_a_long_poll_hears_of_a_cancel() -> None:
    with mocked(duration=60) as client, ThreadPoolExecutor(1) as pool:
        job_id = client.submit("a")
        poll = pool.submit(client.job, job_id, 30)
        while client.runner.requests["GET /jobstatus"] == 0:
            time.sleep(0.01)

        assert client.cancel(job_id)["state"] == "CANCELLED"
        assert poll.result(10)["state"] == "CANCELLED"


def test_cancelling_what_has_ended_changes_nothing(mock: Client) -> None:
    job_id = mock.submit("a")
    assert mock.end(job_id)["state"] == "SUCCEEDED"

    assert mock.cancel(job_id)["state"] == "SUCCEEDED"


def test_capabilities_and_health(mock: Client) -> None:
    assert mock.http.get("/capabilities").json() == {
        "wait": True,
        "cancel": True,
        "find": True,
        "idempotency": True,
    }
    assert mock.http.get("/health").json() == {"status": "ok", "backend": "mock"}


def test_the_openapi_document_names_every_path_and_the_page_loads_nothing(mock: Client) -> None:
    found = mock.http.get("/openapi.json").json()
    page = mock.http.get("/docs")

    paths = {"/job", "/jobstatus", "/jobs", "/job/cancel", "/job/log", "/capabilities", "/counters"}
    assert set(found["paths"]) == paths
    assert page.headers["content-type"].startswith("text/html")
    assert all(path in page.text for path in paths)
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


def jwt(secret: str, algorithm: str = "HS256", **claims: Any) -> str:
    """A signed token."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": algorithm, "typ": "JWT"}, claims)
    ]
    signature = hmac.new(secret.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


SECRET = "a-shared-secret-5f1e2d"
HOUR = 3600


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (None, 401),
        ("Bearer", 401),
        (f"Basic {SECRET}", 401),
        ("Bearer wrong", 401),
        (f"Bearer {SECRET}", 200),
        (f"bearer {SECRET}", 200),
        ("Bearer " + jwt(SECRET, exp=time.time() + HOUR, aud="https://tr.example.com/"), 200),
        ("Bearer " + jwt(SECRET, exp=time.time() + HOUR, aud=["x", "https://tr.example.com"]), 200),
        ("Bearer " + jwt(SECRET, exp=time.time() + HOUR, aud="https://other.example.com"), 401),
        ("Bearer " + jwt(SECRET, exp=time.time() - HOUR, aud="https://tr.example.com"), 401),
        ("Bearer " + jwt(SECRET, exp=time.time() + HOUR, nbf=time.time() + HOUR), 401),
        ("Bearer " + jwt(SECRET, aud="https://tr.example.com"), 401),
        ("Bearer " + jwt("other", exp=time.time() + HOUR, aud="https://tr.example.com"), 401),
        (
            "Bearer " + jwt(SECRET, "none", exp=time.time() + HOUR, aud="https://tr.example.com"),
            401,
        ),
        ("Bearer a.b.c", 401),
        ("Bearer ..", 401),
        ("Bearer é.é.é", 401),
    ],
)
def test_only_the_right_token_is_let_in(token: str | None, status: int) -> None:
    check = TokenCheck(SECRET, audience="https://tr.example.com")
    with served(TaskRunner(Mock(MockPlan()), check=check)) as client:
        headers = {b"Authorization": token.encode()} if token else {}

        answer = client.http.post("/job", json=BODY, headers=headers)

        assert answer.status_code == status
        assert client.http.get("/docs").status_code == 200
        if status == 401:
            assert message(answer)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert client.runner.ran.total() == 0


def test_a_thousand_jobs_at_once_each_run_once(mock: Client) -> None:
    def work(numbers: range) -> list[str]:
        with httpx.Client(base_url=mock.url, trust_env=False, timeout=30) as http:
            states = []
            for number in numbers:
                body = BODY | {"job_name": f"job-{number}"}
                made = http.post("/job", json=body).json()["job"]
                if number % 5 == 0:
                    made = http.get("/jobstatus", params={"job_id": made["jobId"]}).json()["job"]
                    states.append(made["state"])
            return states

    with ThreadPoolExecutor(8) as pool:
        states = [s for part in pool.map(work, [range(n, 1000, 8) for n in range(8)]) for s in part]

    assert states == ["SUCCEEDED"] * 200
    assert len(mock.runner.ran) == 1000
    assert set(mock.runner.ran.values()) == {1}
