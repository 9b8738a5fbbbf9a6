"""`workflows trigger`: a checked message on the topic, or no message at all."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import last_json
from workflows.core import process
from workflows.local import pubsub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Cli

TOPIC = "projects/p/topics/workflows"
INBOX = "projects/p/subscriptions/inbox"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with pubsub.PubSub(tmp_path, kind=pubsub.PubSubKind.STAND_IN).serve() as found:
        pubsub.create_topic(found, TOPIC)
        pubsub.create_pull_subscription(found, INBOX, TOPIC)
        yield found


def variables(url: str) -> dict[str, str]:
    return {"PUBSUB_EMULATOR_HOST": url.removeprefix("http://"), "WORKFLOWS_TOPIC": TOPIC}


def test_a_right_message_is_published(cli: Cli, url: str) -> None:
    words = ["--param", "git_url=https://git.example.com/a.git", "--params", '{"branch": "b=c"}']

    done = cli("trigger", "hello-world", *words, "--json", **variables(url))

    assert done.exit_code == 0, done.stderr
    (one,) = pubsub.pull(url, INBOX)
    assert last_json(done)["message_id"] == one.id
    assert json.loads(one.data) == {
        "workflow": "hello_world",
        "parameters": {"git_url": "https://git.example.com/a.git", "branch": "b=c"},
    }
    assert one.attributes == {"origin": "cli"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["helo_world"], "did you mean hello_world?"),
        (["hello_world"], "git_url: missing"),
        (["hello_world", "--param", "git_ulr=x"], "did you mean --git-url?"),
        (["hello_world", "--param", "git_url"], "is not NAME=VALUE"),
        (["hello_world", "--params", "[]"], "--params is not a JSON object"),
        (["hello_world", "--params", '{"Bad": 1}'], "no name of a parameter"),
        (["resolve_issue", "--params", '{"project": 1}'], "give project and issue_iid"),
    ],
)
def test_a_wrong_message_is_not_published(cli: Cli, url: str, words: list[str], told: str) -> None:
    done = cli("trigger", *words, **variables(url))

    assert done.exit_code == 2
    assert told in done.stderr
    assert pubsub.pull(url, INBOX) == []


def test_without_a_topic_or_credentials_it_says_what_to_do(cli: Cli, url: str) -> None:
    words = ["trigger", "hello_world", "--param", "git_url=https://git.example.com/a.git"]

    topicless = cli(*words, PUBSUB_EMULATOR_HOST=url.removeprefix("http://"))
    nobody = cli(*words, WORKFLOWS_TOPIC=TOPIC, NO_GCE_CHECK="true")

    assert "export WORKFLOWS_TOPIC=" in topicless.stderr
    assert (topicless.exit_code, nobody.exit_code) == (2, 1)
    assert "gcloud auth application-default login" in nobody.stderr


def test_a_pubsub_of_ones_own_takes_a_message(cli: Cli) -> None:
    """`workflows local pubsub` prints what `workflows trigger` needs."""
    args = [sys.executable, "-m", "workflows", "local", "pubsub", "--kind", "stand-in"]
    log = cli.cwd / "pubsub.log"
    with process.background(args, env=cli.environment({}), cwd=cli.cwd, log=log):
        deadline = time.monotonic() + 30
        while "export " not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        printed = dict(word.split("=") for word in log.read_text().split() if "=" in word)
        done = cli(
            *("trigger", "hello_world", "--param", "git_url=https://git.example.com/a.git"),
            **printed,
        )

    assert "message 1 for hello_world was published" in done.stdout
