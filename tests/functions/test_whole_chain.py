"""The whole chain for real: webhook or caller, Pub/Sub, trigger, Cloud Run, flow, GitLab."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.test_resolve_issue_faults import one_of_each
from tests.functions import support
from tests.functions.support import post, serve_function, until
from tests.stack import BOT_TOKEN, CHECK, FILES, Stack, people_of
from workflows.local import pubsub
from workflows.local.cloud_run import CloudRunServer
from workflows.local.gitlab_server.actions import editing
from workflows.local.gitlab_server.server import GitLabServer
from workflows.local.gitlab_server.state.model import Hook
from workflows.servers.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.functions.support import Served
    from workflows.local.gitlab_server.state.model import Issue

SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()
AGENT = (
    "import pathlib; pathlib.Path('price.py').write_text('def price() -> int:\\n    return 7\\n')"
)
ENDED_S = 120
CALLER = "a-callers-identity-token"
AUTHORIZED = {"Authorization": f"Bearer {CALLER}"}


@dataclass
class Whole:
    """Every part of the production chain, here."""

    stack: Stack
    cloud: CloudRunServer
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

    def run_ids(self) -> list[str | tuple[str, str]]:
        """Of each execution."""
        return [one.spec.env["WORKFLOWS_RUN_ID"] for one in self.cloud.executions]


@dataclass
class Chain:
    """The servers and functions of the chain; they start once for this file."""

    lab: GitLabServer
    url: str
    cloud: CloudRunServer
    pubsub_url: str
    trigger: Served
    webhook: Served
    env: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, staged: Path) -> Iterator[Chain]:
    """GitLab, both functions, a Pub/Sub, Cloud Run with the flows' jobs."""
    folder = tmp_path_factory.mktemp("chain")
    lab = GitLabServer(folder / "gitlab")
    people = people_of(lab, lab.create_project("acme/first", files=FILES))
    lab.create_token(people["bot"], value=BOT_TOKEN)
    cloud = CloudRunServer(folder / "cloud", project=support.PROJECT, region=support.REGION)
    with contextlib.ExitStack() as opened:
        url = opened.enter_context(lab.serve())
        run_url = opened.enter_context(cloud.serve())
        kind = pubsub.PubSubKind.EMULATOR if pubsub.find_emulator() else pubsub.PubSubKind.STAND_IN
        queue_url = opened.enter_context(pubsub.PubSub(folder, kind=kind).serve())
        add_jobs(cloud, url)
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
        trigger = opened.enter_context(serve_function(staged, "workflow_trigger", env, folder))
        webhook = opened.enter_context(serve_function(staged, "gitlab_webhook", env, folder))
        pubsub.create_push_subscription(
            *(queue_url, support.PUSH, support.TOPIC, trigger.url),
            dead_letter_topic=support.DEAD_TOPIC,
            backoff_s=(0.1, 1),
        )
        yield Chain(lab, url, cloud, queue_url, trigger, webhook, env, folder)


def add_jobs(cloud: CloudRunServer, gitlab_url: str) -> None:
    """The jobs of the two flows, as Terraform makes them."""
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
            "GITLAB_URL": gitlab_url,
            "GITLAB_TOKEN": BOT_TOKEN,
            "WORKFLOWS_LEASE_S": "5",
        },
        max_retries=0,
    )
    cloud.add_job(
        support.JOBS["hello_world"],
        env={"WORKFLOW_NAME": "hello_world", "GITLAB_URL": gitlab_url, "GITLAB_TOKEN": BOT_TOKEN},
        max_retries=0,
    )


@pytest.fixture
def whole(chain: Chain, tmp_path: Path) -> Whole:
    """The chain as new: a project of this test's own with a signed webhook, nothing run yet."""
    project = chain.lab.create_project(f"acme/{tmp_path.name}", files=FILES)
    people = people_of(chain.lab, project)
    hook = Hook(id=1, url=chain.webhook.url, created_at=chain.lab.now(), events={"issues_events"})
    hook.signing_token = SIGNING
    project.hooks[1] = hook
    chain.lab.duplicate_webhooks = 0
    chain.cloud.faults.clear()
    chain.cloud.executions.clear()
    letters = pubsub.pull(chain.pubsub_url, support.DEAD)
    pubsub.acknowledge(chain.pubsub_url, support.DEAD, letters)
    stack = Stack(chain.lab, chain.url, project, tmp_path, people)
    return Whole(stack, chain.cloud, chain.pubsub_url, chain.trigger.from_now_on())


@pytest.fixture(scope="module")
def publisher(chain: Chain, staged: Path) -> Iterator[tuple[str, Served]]:
    """The publisher's public address, where only who holds CALLER comes in, and the function."""
    with (
        serve_function(staged, "http_publisher", chain.env, chain.folder) as function,
        support.only_for(CALLER, function.url) as url,
    ):
        yield url, function


def hello(whole: Whole, branch: str) -> dict[str, Any]:
    """What a caller asks for."""
    url = f"{whole.stack.url}/{whole.stack.project.path}.git"
    return {"workflow": "hello_world", "parameters": {"git_url": url, "branch": branch}}


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

    pubsub.publish_bytes(whole.pubsub_url, support.TOPIC, b"{broken")
    whole.label(issue)
    whole.settle(1)

    one_of_each(whole.stack, issue)
    until(lambda: len(whole.trigger.lines("ERROR")) == 1)
    letters = pubsub.pull(whole.pubsub_url, support.DEAD)
    assert [letter.data for letter in letters] == [b"{broken"]


def test_a_callers_request_becomes_a_branch(whole: Whole, publisher: tuple[str, Served]) -> None:
    """HTTP caller -> function -> Pub/Sub -> function -> Cloud Run -> flow -> branch on GitLab."""
    url, _ = publisher

    answer = post(url, json=hello(whole, "from-a-caller"), headers=AUTHORIZED)
    whole.settle(1)

    assert answer.status_code == 202
    (execution,) = whole.cloud.executions
    assert execution.state == "succeeded", execution.log()
    assert whole.run_ids() == [f"message-{answer.json()['messageId']}"]
    assert "from-a-caller" in whole.stack.branches()


def test_a_request_with_the_same_key_runs_once(whole: Whole, publisher: tuple[str, Served]) -> None:
    """Two messages, for the caller cannot know whether the first came through; one execution."""
    url, _ = publisher
    headers = AUTHORIZED | {"Idempotency-Key": "order-7"}

    answers = [post(url, json=hello(whole, "once"), headers=headers) for _ in range(2)]
    until(lambda: [one for one in whole.trigger.lines("INFO") if "before" in one["message"]])
    whole.settle(1)

    assert len({answer.json()["messageId"] for answer in answers}) == 2
    assert len(whole.cloud.executions) == 1
    assert "once" in whole.stack.branches()


def test_a_stranger_starts_nothing(whole: Whole, publisher: tuple[str, Served]) -> None:
    url, _ = publisher

    refused = post(url, json=hello(whole, "from-a-stranger"))
    post(url, json=hello(whole, "from-a-caller"), headers=AUTHORIZED)
    whole.settle(1)

    assert refused.status_code == 403
    assert "from-a-stranger" not in whole.stack.branches()
    assert len(whole.cloud.executions) == 1


def test_no_function_logs_the_callers_token(whole: Whole, publisher: tuple[str, Served]) -> None:
    url, function = publisher

    post(url, json=hello(whole, "quiet"), headers=AUTHORIZED)
    post(url, json={"workflow": CALLER}, headers=AUTHORIZED)
    whole.settle(1)

    logs = function.text() + whole.trigger.text()
    assert "published for a caller" in logs
    assert CALLER not in logs + whole.cloud.executions[0].log()
