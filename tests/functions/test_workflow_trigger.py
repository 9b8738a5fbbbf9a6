"""The trigger function, served by functions-framework, between Pub/Sub and Cloud Run."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.functions.support import JOBS, PROJECT, REGION, metadata_server, post, push_body, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functions.conftest import Cloud
    from tests.functions.support import Served

GOOD = {"workflow": "hello_world", "parameters": {"git_url": "https://git.example.com/a.git"}}


@pytest.fixture(autouse=True)
def _quiet(cloud: Cloud) -> Iterator[None]:
    """No fault or started job of another test; no dead letter either."""
    cloud.run.started.clear()
    cloud.run.fail_next.clear()
    cloud.run.late, cloud.run.may_list, cloud.run.hold_s = False, True, 0.0
    cloud.letters()
    yield
    assert not cloud.run.fail_next


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_message_starts_its_job_with_arguments_and_run_id(cloud: Cloud, trigger: Served) -> None:
    message = {
        "workflow": "resolve_issue",
        "parameters": {"project": "-7", "issue_iid": 3, "labels": ["a", "b,c"], "closes": False},
    }

    answer = post(trigger.url, json=push_body(encoded(message), "1001"))

    assert answer.status_code == 200
    (started,) = cloud.run.started
    assert started["job"] == JOBS["resolve_issue"]
    assert started["args"] == [
        "--project=-7",
        "--issue_iid=3",
        '--labels=["a","b,c"]',
        "--closes=false",
    ]
    assert started["env"] == {"WORKFLOWS_RUN_ID": "message-1001"}


def test_the_log_names_workflow_message_execution_and_page(cloud: Cloud, trigger: Served) -> None:
    post(trigger.url, json=push_body(encoded(GOOD), "1002"))

    (line,) = [one for one in trigger.lines("INFO") if one.get("message_id") == "1002"]
    name = cloud.run.started[0]["name"].rpartition("/")[2]
    assert line["workflow"] == "hello_world"
    assert line["execution"] == name
    assert line["link"] == (
        "https://console.cloud.google.com/run/jobs/executions/details"
        f"/{REGION}/{name}?project={PROJECT}"
    )


def test_a_cloudevent_is_taken_too(cloud: Cloud, trigger: Served) -> None:
    headers = {
        "ce-id": "1003",
        "ce-specversion": "1.0",
        "ce-source": f"//pubsub.googleapis.com/projects/{PROJECT}/topics/workflows",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
    }
    structured = {"specversion": "1.0", "id": "1004", "data": push_body(encoded(GOOD), "1004")}

    binary = post(trigger.url, json=push_body(encoded(GOOD), "1003"), headers=headers)
    whole = post(
        trigger.url,
        content=encoded(structured),
        headers={"Content-Type": "application/cloudevents+json"},
    )

    assert (binary.status_code, whole.status_code) == (200, 200)
    assert cloud.run.runs == ["message-1003", "message-1004"]


def test_a_message_delivered_again_starts_nothing(cloud: Cloud, trigger: Served) -> None:
    for _ in range(3):
        assert post(trigger.url, json=push_body(encoded(GOOD), "1005")).status_code == 200

    assert cloud.run.runs == ["message-1005"]


def test_two_messages_of_one_event_start_one_job(cloud: Cloud, trigger: Served) -> None:
    """GitLab's resend, or a publisher that did not hear Pub/Sub's answer."""
    attributes = {"dedupe_key": "gitlab:4f2c"}
    for number in ("1006", "1007"):
        body = push_body(encoded(GOOD), number, attributes)
        assert post(trigger.url, json=body).status_code == 200

    assert len(cloud.run.started) == 1


def test_another_instance_sees_the_execution(cloud: Cloud, trigger: Served) -> None:
    """What this one has forgotten, Cloud Run's list of executions tells."""
    post(trigger.url, json=push_body(encoded(GOOD), "1008"))
    with cloud.serve("workflow_trigger") as other:
        again = post(other.url, json=push_body(encoded(GOOD), "1008"))

    assert again.status_code == 200
    assert cloud.run.runs == ["message-1008"]


def test_a_start_that_was_not_answered_is_found_at_redelivery(
    cloud: Cloud, trigger: Served
) -> None:
    cloud.run.late = True
    cloud.run.fail_next[:] = [503]

    first = post(trigger.url, json=push_body(encoded(GOOD), "1009"))
    second = post(trigger.url, json=push_body(encoded(GOOD), "1009"))

    assert (first.status_code, second.status_code) == (503, 200)
    assert cloud.run.runs == ["message-1009"]


def test_without_the_right_to_list_it_starts_all_the_same(cloud: Cloud, trigger: Served) -> None:
    cloud.run.may_list = False

    assert post(trigger.url, json=push_body(encoded(GOOD), "1010")).status_code == 200
    assert cloud.run.runs == ["message-1010"]


def test_deliveries_at_once_start_one_job(cloud: Cloud, trigger: Served) -> None:
    cloud.run.hold_s = 0.5
    statuses: list[int] = []

    def deliver() -> None:
        statuses.append(post(trigger.url, json=push_body(encoded(GOOD), "1011")).status_code)

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert cloud.run.runs == ["message-1011"]
    assert 200 in statuses
    assert set(statuses) <= {200, 503}


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_may_pass_is_delivered_again(cloud: Cloud, trigger: Served, status: int) -> None:
    number = f"11{status}"
    cloud.run.fail_next[:] = [status]

    first = post(trigger.url, json=push_body(encoded(GOOD), number))
    second = post(trigger.url, json=push_body(encoded(GOOD), number))

    assert (first.status_code, second.status_code) == (503, 200)
    assert cloud.run.runs == [f"message-{number}"]
    told = [one["severity"] for one in trigger.lines() if one.get("message_id") == number]
    assert told == ["WARNING", "INFO"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "the message is empty", id="empty"),
        pytest.param(b"\xff\xfe", "not UTF-8", id="bytes"),
        pytest.param(b"[" * 100_000, "deeper", id="deep"),
        pytest.param(b'{"workflow": "helo_world"}', "did you mean hello_world", id="workflow"),
        pytest.param(
            b'{"workflow": "hello_world", "parameters": {"git_ulr": "x"}}',
            "there is no parameter 'git_ulr'; did you mean git_url",
            id="parameter",
        ),
    ],
)
def test_what_can_never_start_is_a_dead_letter_with_one_error(
    cloud: Cloud, trigger: Served, data: bytes, why: str
) -> None:
    number = f"12{len(data)}"

    answer = post(trigger.url, json=push_body(data, number, {"origin": "test"}))

    assert answer.status_code == 200
    (letter,) = cloud.letters()
    assert letter.data == data
    assert why in letter.attributes["error"]
    assert letter.attributes["message_id"] == number
    assert letter.attributes["origin"] == "test"
    (line,) = [one for one in trigger.lines() if one.get("message_id") == number]
    assert line["severity"] == "ERROR"
    assert why in line["message"]
    assert cloud.run.started == []


@pytest.mark.parametrize(("status", "fix"), [(403, "jobsExecutorWithOverrides"), (404, "deploy")])
def test_a_final_answer_of_the_api_is_a_dead_letter_with_a_fix(
    cloud: Cloud, trigger: Served, status: int, fix: str
) -> None:
    cloud.run.fail_next[:] = [status]

    answer = post(trigger.url, json=push_body(encoded(GOOD), f"13{status}"))

    assert answer.status_code == 200
    (letter,) = cloud.letters()
    assert fix in letter.attributes["error"]


def test_a_message_that_cannot_be_buried_comes_again(cloud: Cloud, trigger: Served) -> None:
    assert cloud.pubsub.stand_in is not None
    cloud.pubsub.stand_in.faults.fail_next[:] = [503]

    first = post(trigger.url, json=push_body(b"no", "1401"))
    second = post(trigger.url, json=push_body(b"no", "1401"))

    assert (first.status_code, second.status_code) == (503, 200)
    assert len(cloud.letters()) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"message": {"messageId": 5}}', b"\x00"])
def test_a_request_that_is_no_delivery_is_refused(trigger: Served, body: bytes) -> None:
    assert post(trigger.url, content=body).status_code == 400


def test_an_api_that_is_away_is_waited_for(cloud: Cloud) -> None:
    with cloud.serve("workflow_trigger", CLOUD_RUN_API="http://127.0.0.1:9") as lonely:
        assert post(lonely.url, json=push_body(encoded(GOOD), "1501")).status_code == 503
        until(lambda: lonely.lines("WARNING"))


def test_in_the_cloud_it_asks_as_its_own_account(cloud: Cloud) -> None:
    """google-auth gets a token from the metadata server, and the API sees it."""
    cloud.run.callers.clear()
    with (
        metadata_server("ya29.made-up") as variables,
        cloud.serve("workflow_trigger", **variables) as function,
    ):
        assert post(function.url, json=push_body(encoded(GOOD), "1601")).status_code == 200
        assert "ya29" not in function.log.read_text()

    assert cloud.run.callers == ["Bearer ya29.made-up"]


def test_a_token_never_goes_over_plain_http_to_another_machine(cloud: Cloud) -> None:
    with (
        pytest.raises(RuntimeError, match="neither https nor on this machine"),
        cloud.serve("workflow_trigger", CLOUD_RUN_API="http://run.example.com"),
    ):
        pass
