"""10,000 messages with duplicates, nonsense and a failing API: each good one runs once."""

from __future__ import annotations

import base64
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions import support
from tests.functions.support import post, serve_function, until
from workflows.local import pubsub

if TYPE_CHECKING:
    from tests.functions.conftest import Cloud

MESSAGES = 10_000
_BATCH = 500


def message(number: int) -> dict[str, Any]:
    """Every 20th is malformed; every 10th of the rest is published twice with one key."""
    if number % 20 == 7:
        data = b"{no message"
    else:
        parameters = {"git_url": "https://x.example.com/a.git", "branch": f"b-{number}"}
        data = json.dumps({"workflow": "hello_world", "parameters": parameters}).encode()
    attributes = {"number": str(number)}
    if number % 10 == 3:
        attributes["dedupe_key"] = f"test:{number}"
    return {"data": base64.b64encode(data).decode(), "attributes": attributes}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cloud", "real_cloud"])
def test_ten_thousand_messages_run_once_each(
    request: pytest.FixtureRequest, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud: Cloud = request.getfixturevalue(kind)
    cloud.run.may_list = False  # else the toy's list would be what is measured
    cloud.run.fail_every = 20
    if cloud.pubsub.stand_in is not None:
        cloud.pubsub.stand_in.duplicate_next = MESSAGES // 20
    started = time.monotonic()
    with serve_function(
        cloud.staged, "workflow_trigger", cloud.variables(), cloud.folder
    ) as trigger:
        pubsub.create_push_subscription(
            *(cloud.url, support.PUSH, support.TOPIC, trigger.url),
            dead_letter_topic=support.DEAD_TOPIC,
            max_attempts=20,
            backoff_s=(0.1, 1),
        )
        numbers = [n for n in range(MESSAGES) for _ in range(2 if n % 10 == 3 else 1)]
        for begin in range(0, len(numbers), _BATCH):
            batch = [message(number) for number in numbers[begin : begin + _BATCH]]
            url = f"{cloud.url}/v1/{support.TOPIC}:publish"
            assert post(url, json={"messages": batch}).status_code == 200
        good = {n for n in numbers if n % 20 != 7}
        bad = {n for n in numbers if n % 20 == 7}
        letters: list[pubsub.PulledMessage] = []
        until(lambda: len(set(cloud.run.runs)) >= len(good), timeout_s=300)

        def all_letters() -> bool:
            letters.extend(cloud.letters())
            return {int(one.attributes["number"]) for one in letters} >= bad

        until(all_letters, timeout_s=120)
        if cloud.pubsub.stand_in is not None:
            until(lambda: cloud.pubsub.stand_in and not cloud.pubsub.stand_in.backlog())
    took_s = time.monotonic() - started
    with capsys.disabled():
        sys.stdout.write(f" {len(numbers)} messages in {took_s:.0f} s on the {cloud.pubsub.kind} ")

    branches = [word for one in cloud.run.started for word in one["args"] if "branch" in word]
    assert len(branches) == len(set(branches)) == len(good)
    assert {int(one.attributes["number"]) for one in letters} == bad
    errors = {one["message_id"] for one in trigger.lines("ERROR")}
    assert len(errors) == len(bad)
