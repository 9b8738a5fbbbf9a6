"""The webhook function, served by functions-framework and called by the embedded GitLab."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions import support
from tests.functions.support import Served, post, serve_function
from workflows.local import pubsub
from workflows.local.gitlab_server.actions import comments, editing
from workflows.local.gitlab_server.server import GitLabServer
from workflows.local.gitlab_server.state.model import DEVELOPER, Hook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.functions.conftest import Cloud
    from workflows.local.gitlab_server.state.model import Issue, Project, User

TOKEN = "a-webhook-token"
SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()
INBOX = f"projects/{support.PROJECT}/subscriptions/inbox"
EVENTS = {"issues_events", "note_events", "merge_requests_events", "confidential_issues_events"}


@dataclass
class Hooked:
    """A GitLab whose project calls the webhook function; dave and the bot are Developers."""

    lab: GitLabServer
    project: Project
    dave: User
    bot: User
    hook: Hook
    function: Served
    cloud: Cloud

    def issue(self, **more: Any) -> Issue:
        return editing.open_issue(self.lab, self.project, self.dave, "The price is 0", **more)

    def statuses(self) -> list[str]:
        """What the function answered, oldest first."""
        self.lab.wait_for_webhooks()
        return [entry["response_status"] for entry in reversed(self.hook.log)]

    def messages(self) -> list[tuple[dict[str, Any], dict[str, str]]]:
        """What has been published since the last look, with its attributes."""
        self.lab.wait_for_webhooks()
        found = pubsub.pull(self.cloud.url, INBOX)
        pubsub.acknowledge(self.cloud.url, INBOX, found)
        return [(json.loads(one.data), one.attributes) for one in found]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabServer]:
    found = GitLabServer(tmp_path_factory.mktemp("gitlab"))
    found.create_user("dave")
    found.create_user("bot")
    with found.serve():
        yield found


def variables(lab: GitLabServer) -> dict[str, str]:
    bot = lab.find_user("bot")
    assert bot is not None
    return {
        "GITLAB_WEBHOOK_SECRET": f"{TOKEN} {SIGNING}",
        "GITLAB_BOT_ID": str(bot.id),
        "GITLAB_BOT_USERNAME": "bot",
        "WORKFLOWS_MAX_PER_ISSUE": "3",
    }


@pytest.fixture(scope="module")
def function(cloud: Cloud, lab: GitLabServer) -> Iterator[Served]:
    pubsub.create_pull_subscription(cloud.url, INBOX, support.TOPIC)
    env = cloud.variables() | variables(lab)
    with serve_function(cloud.staged, "gitlab_webhook", env, cloud.folder) as one:
        yield one


@pytest.fixture
def hooked(
    lab: GitLabServer, function: Served, cloud: Cloud, request: pytest.FixtureRequest
) -> Hooked:
    project = lab.create_project(f"acme/shop-{abs(hash(request.node.name))}")
    people = [lab.find_user(name) for name in ("dave", "bot")]
    dave, bot = (person for person in people if person)
    for person in (dave, bot):
        lab.add_member(project, person, DEVELOPER)
    hook = Hook(id=1, url=function.url, created_at=lab.now(), events=set(EVENTS))
    hook.signing_token = SIGNING
    project.hooks[1] = hook
    found = Hooked(lab, project, dave, bot, hook, function, cloud)
    found.messages()
    return found


def test_a_label_is_one_message_with_who_and_when(hooked: Hooked) -> None:
    issue = hooked.issue()
    editing.edit(hooked.lab, issue, hooked.dave, {"add_labels": ["workflows::resolve"]})

    ((message, attributes),) = hooked.messages()
    assert hooked.statuses() == ["200", "202"]
    assert message["workflow"] == "resolve_issue"
    assert message["parameters"]["project"] == str(hooked.project.id)
    assert message["parameters"]["issue_iid"] == issue.iid
    assert message["parameters"]["actor_id"] == hooked.dave.id
    assert message["parameters"]["asked_at"].endswith("Z")
    assert attributes["origin"] == "gitlab"
    assert attributes["dedupe_key"].startswith("gitlab:")


def test_a_comment_an_assignment_and_a_review_ask_too(hooked: Hooked) -> None:
    issue = hooked.issue()
    comments.write_comment(hooked.lab, issue, hooked.dave, "/workflows resolve")
    editing.edit(hooked.lab, issue, hooked.dave, {"assignees": [hooked.bot]})

    found = hooked.messages()

    assert [one["parameters"]["issue_iid"] for one, _ in found] == [issue.iid] * 2
    told = [line["message"] for line in hooked.function.lines("INFO")]
    assert told[-2:] == ["published for: comment", "published for: assignment"]


def test_a_plain_token_is_enough_where_there_is_no_signature(hooked: Hooked) -> None:
    hooked.hook.signing_token, hooked.hook.token = None, TOKEN
    hooked.issue(labels=["workflows::resolve"])

    assert len(hooked.messages()) == 1
    assert hooked.statuses() == ["202"]


def test_a_wrong_signature_or_token_is_401_and_no_message(hooked: Hooked) -> None:
    hooked.hook.signing_token = "whsec_" + base64.b64encode(bytes(32)).decode()
    hooked.issue(labels=["workflows::resolve"])
    hooked.lab.wait_for_webhooks()
    hooked.hook.signing_token, hooked.hook.token = None, "wrong"
    hooked.issue(labels=["workflows::resolve"])

    assert hooked.statuses() == ["401", "401"]
    assert hooked.messages() == []


def test_a_body_that_was_never_authentic_is_not_looked_at(function: Served) -> None:
    for body in (b"", b"{", b"\xff" * 100, b'{"object_kind": "issue"}'):
        assert post(function.url, content=body).status_code == 401
    assert post(function.url, content=b"{", headers={"X-Gitlab-Token": TOKEN}).status_code == 200
    assert function.url
    assert support._client.get(function.url).status_code == 405


def test_the_bot_may_do_what_it_likes(hooked: Hooked) -> None:
    issue = hooked.issue()
    editing.edit(hooked.lab, issue, hooked.bot, {"add_labels": ["workflows::resolve"]})
    comments.write_comment(hooked.lab, issue, hooked.bot, "/workflows resolve")

    assert hooked.messages() == []
    assert hooked.statuses() == ["200", "200", "200"]


def test_an_event_that_comes_twice_is_one_message(hooked: Hooked) -> None:
    hooked.lab.duplicate_webhooks = 1
    try:
        hooked.issue(labels=["workflows::resolve"])
        found = hooked.messages()
    finally:
        hooked.lab.duplicate_webhooks = 0

    assert len(found) == 1
    assert hooked.statuses() == ["202", "200"]


def test_an_issue_may_start_so_many_runs_an_hour(hooked: Hooked) -> None:
    issue = hooked.issue()
    for _ in range(5):
        comments.write_comment(hooked.lab, issue, hooked.dave, "/workflows resolve")

    assert len(hooked.messages()) == 3
    assert hooked.statuses() == ["200", "202", "202", "202", "200", "200"]
    assert "3 times within an hour" in hooked.function.lines("WARNING")[-1]["message"]


def test_asking_all_at_once_starts_no_more(hooked: Hooked) -> None:
    """The topic is slow, so that all are looked at before one of them was published."""
    assert hooked.cloud.pubsub.stand_in is not None
    comments.write_comment(hooked.lab, hooked.issue(), hooked.dave, "/workflows resolve")
    assert len(hooked.messages()) == 1
    body = hooked.hook.log[0]["delivery"].body

    def ask(number: int) -> int:
        headers = {"X-Gitlab-Token": TOKEN, "Idempotency-Key": f"{hooked.project.id}-{number}"}
        return post(hooked.function.url, content=body, headers=headers).status_code

    faults = hooked.cloud.pubsub.stand_in.faults
    faults.latency_s = 1.0
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
    finally:
        faults.latency_s = 0.0

    assert sorted(answers) == [200] * 6 + [202] * 2
    assert len(hooked.messages()) == 2


def test_a_topic_that_fails_once_is_tried_again(hooked: Hooked) -> None:
    assert hooked.cloud.pubsub.stand_in is not None
    hooked.cloud.pubsub.stand_in.faults.fail_next[:] = [503]
    hooked.issue(labels=["workflows::resolve"])

    assert len(hooked.messages()) == 1
    assert hooked.statuses() == ["202"]


def test_a_topic_that_is_away_is_told_to_gitlab_and_resending_helps(hooked: Hooked) -> None:
    assert hooked.cloud.pubsub.stand_in is not None
    hooked.cloud.pubsub.stand_in.faults.fail_next[:] = [503, 503]
    hooked.issue(labels=["workflows::resolve"])
    hooked.lab.wait_for_webhooks()
    hooked.lab.outbox.put(hooked.hook.log[0]["delivery"])

    assert len(hooked.messages()) == 1
    assert hooked.statuses() == ["503", "202"]
    assert "not published" in hooked.function.lines("ERROR")[-1]["message"]


def test_no_text_of_an_issue_is_logged_or_published(hooked: Hooked) -> None:
    issue = hooked.issue(description="s3cret words", confidential=True)
    comments.write_comment(hooked.lab, issue, hooked.dave, "s3cret words\n/workflows resolve")
    editing.edit(hooked.lab, issue, hooked.dave, {"add_labels": ["workflows::resolve"]})

    assert "s3cret" not in repr(hooked.messages())
    assert "s3cret" not in hooked.function.log.read_text()
    assert SIGNING not in hooked.function.log.read_text()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GITLAB_WEBHOOK_SECRET", ""), ("GITLAB_BOT_ID", "bot"), ("GITLAB_WEBHOOK_SECRET", "whsec_x")],
)
def test_a_function_without_its_settings_does_not_start(
    cloud: Cloud, lab: GitLabServer, tmp_path: Path, variable: str, value: str
) -> None:
    env = cloud.variables() | variables(lab) | {variable: value}

    with (
        pytest.raises(RuntimeError, match=r"FunctionSettingInvalid|SecretsInvalid"),
        serve_function(cloud.staged, "gitlab_webhook", env, tmp_path),
    ):
        pass
