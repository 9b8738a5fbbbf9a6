"""From a label in GitLab to a started job, every part for real but Cloud Run itself."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.functions import support
from tests.functions.support import serve_function, until
from workflows.local import pubsub
from workflows.local.gitlab_server.actions import editing
from workflows.local.gitlab_server.server import GitLabServer
from workflows.local.gitlab_server.state.model import DEVELOPER, Hook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.functions.conftest import Cloud
    from tests.functions.support import Served

SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module", params=["cloud", "real_cloud"])
def chain(request: pytest.FixtureRequest) -> Iterator[tuple[Cloud, Served]]:
    """The trigger function behind a push subscription, on the stand-in and on the emulator."""
    cloud: Cloud = request.getfixturevalue(request.param)
    with serve_function(
        cloud.staged, "workflow_trigger", cloud.variables(), cloud.folder
    ) as trigger:
        pubsub.create_push_subscription(
            *(cloud.url, support.PUSH, support.TOPIC, trigger.url),
            dead_letter_topic=support.DEAD_TOPIC,
            backoff_s=(0.1, 0.5),
        )
        yield cloud, trigger


@pytest.fixture(autouse=True)
def _quiet(chain: tuple[Cloud, Served]) -> None:
    cloud, _ = chain
    cloud.run.started.clear()
    cloud.run.late = False
    cloud.letters()


def test_a_label_starts_resolve_issue_once(chain: tuple[Cloud, Served], tmp_path: Path) -> None:
    """A webhook that comes twice and an API that fails twice change nothing."""
    cloud, trigger = chain
    lab = GitLabServer(tmp_path / "gitlab")
    dave, bot = lab.create_user("dave"), lab.create_user("bot")
    project = lab.create_project("acme/shop")
    lab.add_member(project, dave, DEVELOPER)
    env = cloud.variables() | {
        "GITLAB_WEBHOOK_SECRET": SIGNING,
        "GITLAB_BOT_ID": str(bot.id),
        "GITLAB_BOT_USERNAME": "bot",
    }
    lab.duplicate_webhooks = 1
    cloud.run.fail_next[:] = [503, 429]
    with contextlib.ExitStack() as stack:
        stack.enter_context(lab.serve())
        function = stack.enter_context(
            serve_function(cloud.staged, "gitlab_webhook", env, tmp_path)
        )
        hook = Hook(id=1, url=function.url, created_at=lab.now(), events={"issues_events"})
        hook.signing_token = SIGNING
        project.hooks[1] = hook
        issue = editing.open_issue(lab, project, dave, "The price is 0")
        editing.edit(lab, issue, dave, {"add_labels": ["workflows::resolve"]})
        lab.wait_for_webhooks()
        until(lambda: cloud.run.started)
        until(lambda: [one for one in trigger.lines("INFO") if "was started" in one["message"]])

    (started,) = cloud.run.started
    assert started["job"] == support.JOBS["resolve_issue"]
    flags = dict(word[2:].split("=", 1) for word in started["args"])
    assert flags["project"] == str(project.id)
    assert flags["issue_iid"] == str(issue.iid)
    assert flags["actor_id"] == str(dave.id)
    assert flags["asked_at"].endswith("Z")
    assert started["env"]["WORKFLOWS_RUN_ID"].startswith("event-")


def test_a_bad_message_is_one_dead_letter_and_stops_nothing(chain: tuple[Cloud, Served]) -> None:
    cloud, trigger = chain
    good = {"workflow": "hello_world", "parameters": {"git_url": "https://x.example.com/a.git"}}
    before = len(trigger.lines("ERROR"))

    number = pubsub.publish_bytes(cloud.url, support.TOPIC, b"{broken")
    pubsub.publish_bytes(cloud.url, support.TOPIC, json.dumps(good).encode())
    until(lambda: cloud.run.started)
    letters = cloud.next_letters()

    assert [letter.attributes["message_id"] for letter in letters] == [number]
    assert len(trigger.lines("ERROR")) == before + 1
    assert len(cloud.run.started) == 1


@pytest.mark.slow
def test_an_api_that_is_down_for_long_ends_in_the_dead_letters(
    chain: tuple[Cloud, Served],
) -> None:
    cloud, _ = chain
    good = {"workflow": "hello_world", "parameters": {"git_url": "https://x.example.com/a.git"}}
    cloud.run.fail_next[:] = [503] * 5

    pubsub.publish_bytes(cloud.url, support.TOPIC, json.dumps(good).encode())
    letters = cloud.next_letters()

    assert letters[0].attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert json.loads(letters[0].data) == good
    assert cloud.run.started == []
