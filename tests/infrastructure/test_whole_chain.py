"""The whole chain for real: label, webhook, Pub/Sub, trigger, Cloud Run, flow, merge request."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.infrastructure import support
from tests.infrastructure.support import serve_function, until
from tests.stack import BOT_TOKEN, CHECK, FILES, Stack, people_of
from tests.test_resolve_issue_faults import one_of_each
from workflows.local import pubsub
from workflows.local.cloud_run import CloudRun
from workflows.local.gitlab_server import editing
from workflows.local.gitlab_server.faults import Fault
from workflows.local.gitlab_server.model import Hook
from workflows.local.gitlab_server.server import GitLabServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infrastructure.support import Served
    from workflows.local.gitlab_server.model import Issue

SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()
AGENT = (
    "import pathlib; pathlib.Path('price.py').write_text('def price() -> int:\\n    return 7\\n')"
)
ENDED_S = 120


@dataclass
class Whole:
    """Every part of the production chain, here."""

    stack: Stack
    cloud: CloudRun
    pubsub_url: str
    trigger: Served

    def label(self, issue: Issue) -> None:
        """What a person does."""
        dave = self.stack.people["dave"]
        editing.edit(self.stack.lab, issue, dave, {"add_labels": ["workflows::resolve"]})
        self.stack.lab.wait_for_webhooks()

    def settle(self, executions: int) -> None:
        """Wait until that many executions were started and all have ended."""
        until(lambda: len(self.cloud.executions) >= executions, timeout_s=ENDED_S)
        for execution in list(self.cloud.executions):
            self.cloud.wait(execution, ENDED_S)


@pytest.fixture
def whole(tmp_path: Path, staged: Path) -> Iterator[Whole]:
    """GitLab with a signed webhook, both functions, a Pub/Sub, Cloud Run with the flow's job."""
    lab = GitLabServer(tmp_path / "gitlab")
    project = lab.create_project("acme/shop", files=FILES)
    people = people_of(lab, project)
    lab.create_token(people["bot"], value=BOT_TOKEN)
    cloud = CloudRun(tmp_path / "cloud", project=support.PROJECT, region=support.REGION)
    with contextlib.ExitStack() as opened:
        url = opened.enter_context(lab.serve())
        run_url = opened.enter_context(cloud.serve())
        kind = pubsub.Kind.EMULATOR if pubsub.find_emulator() else pubsub.Kind.STAND_IN
        queue = pubsub.PubSub(tmp_path, kind=kind)
        queue_url = opened.enter_context(queue.serve())
        parameters = {
            "agent_backend": "command",
            "agent_command": shlex.join([sys.executable, "-c", AGENT]),
            "check_command": CHECK,
        }
        cloud.add_job(
            support.JOBS["resolve_issue"],
            env={
                "WORKFLOW_NAME": "resolve_issue",
                "WORKFLOW_PARAMETERS": json.dumps(parameters),
                "GITLAB_URL": url,
                "GITLAB_TOKEN": BOT_TOKEN,
                "WORKFLOWS_LEASE_S": "5",
            },
            max_retries=0,
        )
        for topic in (support.TOPIC, support.DEAD_TOPIC):
            pubsub.create_topic(queue_url, topic)
        pubsub.create_pull_subscription(queue_url, support.DEAD, support.DEAD_TOPIC)
        env = {
            "WORKFLOW_JOBS": json.dumps(support.JOBS),
            "WORKFLOWS_PROJECT": support.PROJECT,
            "WORKFLOWS_REGION": support.REGION,
            "WORKFLOWS_TOPIC": support.TOPIC,
            "WORKFLOWS_DEAD_LETTER_TOPIC": support.DEAD_TOPIC,
            "CLOUD_RUN_API": run_url,
            "PUBSUB_EMULATOR_HOST": queue_url.removeprefix("http://"),
            "GITLAB_WEBHOOK_SECRET": SIGNING,
            "GITLAB_BOT_ID": str(people["bot"].id),
            "GITLAB_BOT_USERNAME": "bot",
        }
        function = serve_function(staged, "workflow_trigger", env, tmp_path)
        trigger = opened.enter_context(function)
        webhook = opened.enter_context(serve_function(staged, "gitlab_webhook", env, tmp_path))
        pubsub.create_push_subscription(
            *(queue_url, support.PUSH, support.TOPIC, trigger.url),
            dead_letter_topic=support.DEAD_TOPIC,
            backoff_s=(0.1, 1),
        )
        hook = Hook(id=1, url=webhook.url, created_at=lab.now(), events={"issues_events"})
        hook.signing_token = SIGNING
        project.hooks[1] = hook
        yield Whole(Stack(lab, url, project, tmp_path, people), cloud, queue_url, trigger)


def test_a_label_becomes_a_merge_request(whole: Whole) -> None:
    """Signed webhook -> function -> Pub/Sub -> function -> Cloud Run -> flow -> merge request."""
    issue = whole.stack.issue()

    whole.label(issue)
    whole.settle(1)

    one_of_each(whole.stack, issue)
    (merge_request,) = whole.stack.merge_requests()
    assert merge_request.reviewers == [whole.stack.people["dave"]]
    assert "Checks passed" in (merge_request.description or "")


def test_redelivery_and_failures_on_the_way_still_make_one(whole: Whole) -> None:
    """Every webhook twice, the Cloud Run API fails once before and once after it has started."""
    whole.stack.lab.duplicate_webhooks = 1
    whole.cloud.faults.append(Fault("POST", r":run$", status=503))
    whole.cloud.faults.append(Fault("POST", r":run$", status=503, after=True))
    issue = whole.stack.issue()

    whole.label(issue)
    whole.settle(1)
    until(lambda: [one for one in whole.trigger.lines("INFO") if "start" in one["message"]])
    whole.settle(len(whole.cloud.executions))

    one_of_each(whole.stack, issue)


def test_a_bad_message_stops_nothing(whole: Whole) -> None:
    """It is one dead letter and one ERROR line; the next message is carried out."""
    issue = whole.stack.issue()

    pubsub.publish(whole.pubsub_url, support.TOPIC, b"{broken")
    whole.label(issue)
    whole.settle(1)

    one_of_each(whole.stack, issue)
    until(lambda: len(whole.trigger.lines("ERROR")) == 1)
    letters = pubsub.pull(whole.pubsub_url, support.DEAD)
    assert [letter.data for letter in letters] == [b"{broken"]
