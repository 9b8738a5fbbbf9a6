"""The publisher function for callers of our own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions import support
from tests.functions.support import Served, post, serve_function
from workflows.local import pubsub
from workflows.trigger.dispatch import message_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functions.conftest import Cloud

INBOX = f"projects/{support.PROJECT}/subscriptions/inbox"
GOOD = {"workflow": "hello-world", "parameters": {"git_url": "https://git.example.com/a.git"}}


@pytest.fixture(scope="module")
def publisher(cloud: Cloud) -> Iterator[Served]:
    pubsub.create_pull_subscription(cloud.url, INBOX, support.TOPIC)
    env = cloud.variables()
    with serve_function(cloud.staged, "http_publisher", env, cloud.folder) as one:
        yield one


def test_a_right_message_is_published_and_its_id_returned(cloud: Cloud, publisher: Served) -> None:
    answer = post(publisher.url, json=GOOD, headers={"Idempotency-Key": "order-7"})

    (message,) = pubsub.pull(cloud.url, INBOX)
    assert answer.status_code == 202
    assert answer.json() == {"messageId": message.id}
    assert json.loads(message.data) == GOOD | {"workflow": "hello_world"}
    assert message.attributes["origin"] == "http"
    pubsub.acknowledge(cloud.url, INBOX, [message])


def runs(cloud: Cloud, publisher: Served, *bodies: dict[str, Any]) -> set[str]:
    """The run ids of requests with these bodies and the same key."""
    for body in bodies:
        post(publisher.url, json=body, headers={"Idempotency-Key": "order-7"})
    messages = pubsub.pull(cloud.url, INBOX)
    pubsub.acknowledge(cloud.url, INBOX, messages)
    assert len(messages) == len(bodies)
    return {message_run_id(message.id, message.attributes) for message in messages}


def test_a_request_that_comes_again_with_its_key_is_one_run(
    cloud: Cloud, publisher: Served
) -> None:
    other_way = {"parameters": GOOD["parameters"], "workflow": "hello_world"}

    assert len(runs(cloud, publisher, GOOD, GOOD, other_way)) == 1


def test_another_request_with_the_same_key_is_not_lost(cloud: Cloud, publisher: Served) -> None:
    other = {"workflow": "hello_world", "parameters": {"git_url": "https://git.example.com/b.git"}}

    assert len(runs(cloud, publisher, GOOD, other)) == 2


def test_a_wrong_message_is_answered_with_every_finding(cloud: Cloud, publisher: Served) -> None:
    wrong = {"workflow": "hello_world", "parameters": {"git_ulr": "x", "branch": ["a"]}}

    answer = post(publisher.url, json=wrong)

    assert answer.status_code == 400
    findings = " ".join(answer.json()["findings"])
    assert "did you mean git_url?" in findings
    assert "git_url is missing" in findings
    assert "branch must be text, not a list" in findings
    assert pubsub.pull(cloud.url, INBOX) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'{"workflow": "no_such"}'])
def test_nonsense_is_refused(publisher: Served, body: bytes) -> None:
    assert post(publisher.url, content=body).status_code == 400


def test_a_key_that_cannot_be_kept_is_refused(publisher: Served) -> None:
    assert post(publisher.url, json=GOOD, headers={"Idempotency-Key": "k" * 201}).status_code == 400


def test_a_topic_that_is_away_is_503(cloud: Cloud, publisher: Served) -> None:
    assert cloud.pubsub.stand_in is not None
    cloud.pubsub.stand_in.faults.fail_next[:] = [503]

    assert post(publisher.url, json=GOOD).status_code == 503
    assert publisher.lines("ERROR")
