"""One contract for Google's emulator and for the stand-in: what both must do alike."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tests.functions.conftest import need_emulator
from workflows.core.errors import ProgramMissing
from workflows.local import pubsub
from workflows.local.pubsub import PubSubKind
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

BASE = "projects/p"
_names = iter(range(10_000))


@dataclass
class Inbox:
    """A push endpoint: what it got, and the statuses it answers with first."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    fail_next: list[int] = field(default_factory=list)
    fail_always: int = 0

    async def answer(self, request: Request) -> Response:
        self.times.append(time.monotonic())
        self.got.append(await request.json())
        if self.fail_always:
            return Response(status_code=self.fail_always)
        return Response(status_code=self.fail_next.pop(0) if self.fail_next else 204)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    with serve_app(Starlette(routes=[Route("/push", found.answer, methods=["POST"])])) as url:
        found.url = f"{url}/push"
        yield found


@pytest.fixture(scope="module", params=[PubSubKind.STAND_IN, PubSubKind.EMULATOR])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The base URL of each in turn."""
    if request.param is PubSubKind.EMULATOR:
        need_emulator()
    server = pubsub.PubSub(tmp_path_factory.mktemp("pubsub"), kind=request.param)
    assert server.kind is request.param
    with server.serve() as url:
        yield url


@dataclass
class Names:
    """A topic with a subscription's name, new for each test."""

    topic: str
    subscription: str
    dead_topic: str
    dead: str


@pytest.fixture
def names(broker: str) -> Names:
    return make_names(broker)


def make_names(broker: str) -> Names:
    n = next(_names)
    found = Names(
        *(f"{BASE}/topics/topic-{n}", f"{BASE}/subscriptions/sub-{n}"),
        *(f"{BASE}/topics/dead-{n}", f"{BASE}/subscriptions/dead-{n}"),
    )
    pubsub.create_topic(broker, found.topic)
    pubsub.create_topic(broker, found.dead_topic)
    pubsub.create_pull_subscription(broker, found.dead, found.dead_topic)
    return found


def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pulled(url: str, subscription: str) -> list[pubsub.PulledMessage]:
    """The first messages that can be pulled."""
    found: list[pubsub.PulledMessage] = []

    def come() -> bool:
        found.extend(pubsub.pull(url, subscription))
        return bool(found)

    until(come, 40)
    return found


def ask(method: str, url: str, body: Any) -> httpx.Response:
    return httpx.request(method, url, json=body, timeout=20, trust_env=False)


def test_what_is_published_is_pulled_and_then_gone(broker: str, names: Names) -> None:
    pubsub.create_pull_subscription(broker, names.subscription, names.topic)
    number = pubsub.publish_bytes(broker, names.topic, b"\x00data", {"a": "b"})

    found = pulled(broker, names.subscription)

    (one,) = found
    assert (one.id, one.data, one.attributes) == (number, b"\x00data", {"a": "b"})
    pubsub.acknowledge(broker, names.subscription, found)
    assert pubsub.pull(broker, names.subscription) == []


def test_a_push_has_the_message_and_its_subscription(
    broker: str, names: Names, inbox: Inbox
) -> None:
    pubsub.create_push_subscription(broker, names.subscription, names.topic, inbox.url)
    number = pubsub.publish_bytes(broker, names.topic, b"hello", {"origin": "test"})
    until(lambda: inbox.got)

    (body,) = inbox.got
    assert body["subscription"] == names.subscription
    assert body["message"]["messageId"] == body["message"]["message_id"] == number
    assert base64.b64decode(body["message"]["data"]) == b"hello"
    assert body["message"]["attributes"] == {"origin": "test"}
    assert body["message"]["publishTime"].endswith("Z")


def test_what_is_not_taken_comes_again_with_the_same_id(
    broker: str, names: Names, inbox: Inbox
) -> None:
    inbox.fail_next[:] = [500, 429]
    backoff = (0.1, 0.2)
    pubsub.create_push_subscription(
        broker, names.subscription, names.topic, inbox.url, backoff_s=backoff
    )
    number = pubsub.publish_bytes(broker, names.topic, b"again")
    until(lambda: len(inbox.got) == 3)

    assert {body["message"]["messageId"] for body in inbox.got} == {number}
    assert inbox.times[1] - inbox.times[0] >= 0.09


@pytest.mark.slow
def test_what_is_never_taken_is_a_dead_letter(broker: str, names: Names, inbox: Inbox) -> None:
    """The emulator takes 13 s for it."""
    prove_dead_letters(broker, names, inbox)


def test_what_is_never_taken_is_a_dead_letter_of_the_stand_in(inbox: Inbox) -> None:
    with stand_in() as (_, url):
        prove_dead_letters(url, make_names(url), inbox)


def prove_dead_letters(broker: str, names: Names, inbox: Inbox) -> None:
    inbox.fail_always = 500
    pubsub.create_push_subscription(
        *(broker, names.subscription, names.topic, inbox.url),
        dead_letter_topic=names.dead_topic,
        max_attempts=5,
        backoff_s=(0.1, 0.2),
    )
    pubsub.publish_bytes(broker, names.topic, b"never", {"a": "b"})

    (letter,) = pulled(broker, names.dead)

    assert letter.data == b"never"
    assert letter.attributes["a"] == "b"
    assert letter.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert (
        letter.attributes["CloudPubSubDeadLetterSourceSubscription"]
        == (names.subscription.rpartition("/")[2])
    )
    assert len(inbox.got) == 5


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "topics/wf", {}, 400),
        ("PUT", "topics/googtopic", {}, 400),
        ("POST", "topics/none-such:publish", {"messages": [{"data": "YQ=="}]}, 404),
        ("POST", "subscriptions/none-such:pull", {"maxMessages": 1}, 404),
        ("PUT", "subscriptions/orphan", {"topic": "projects/p/topics/none-such"}, 404),
        ("GET", "topics/none-such", None, 404),
    ],
)
def test_what_is_wrong_is_refused_alike(
    broker: str, method: str, path: str, body: Any, status: int
) -> None:
    answer = ask(method, f"{broker}/v1/{BASE}/{path}", body)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status


def test_wrong_messages_and_policies_are_refused_alike(broker: str, names: Names) -> None:
    url = f"{broker}/v1"
    empty = ask("POST", f"{url}/{names.topic}:publish", {"messages": [{"data": ""}]})
    late = {"topic": names.topic, "ackDeadlineSeconds": 601}
    few = {
        "topic": names.topic,
        "deadLetterPolicy": {"deadLetterTopic": names.dead_topic, "maxDeliveryAttempts": 4},
    }

    assert empty.status_code == 400
    for body in (late, few):
        assert ask("PUT", f"{url}/{names.subscription}", body).status_code == 400
    assert ask("PUT", f"{url}/{names.topic}", {}).status_code == 409


def test_a_message_can_be_delivered_again_on_demand(inbox: Inbox) -> None:
    with stand_in() as (standin, url):
        pubsub.create_push_subscription(url, f"{BASE}/subscriptions/sub", TOPIC, inbox.url)
        number = pubsub.publish_bytes(url, TOPIC, b"x")
        until(lambda: len(inbox.got) == 1)
        standin.redeliver(number)
        until(lambda: len(inbox.got) == 2)
        standin.duplicate_next = 1
        pubsub.publish_bytes(url, TOPIC, b"y")
        until(lambda: len(inbox.got) == 4)
        until(lambda: standin.backlog() == 0)

    ids = [body["message"]["messageId"] for body in inbox.got]
    assert ids[0] == ids[1] == number
    assert ids[2] == ids[3] != number


TOPIC = f"{BASE}/topics/here"


@contextmanager
def stand_in() -> Iterator[tuple[pubsub.StandIn, str]]:
    standin = pubsub.StandIn()
    with standin.serve() as url:
        pubsub.create_topic(url, TOPIC)
        yield standin, url


def test_a_pulled_message_comes_back_when_given_back() -> None:
    with stand_in() as (_, url):
        name = f"{BASE}/subscriptions/pulled"
        body = {"topic": TOPIC, "retryPolicy": {"minimumBackoff": "0s", "maximumBackoff": "0s"}}
        ask("PUT", f"{url}/v1/{name}", body)
        pubsub.publish_bytes(url, TOPIC, b"x")
        (first,) = pubsub.pull(url, name)
        assert pubsub.pull(url, name) == []
        give_back = {"ackIds": [first.ack_id], "ackDeadlineSeconds": 0}
        ask("POST", f"{url}/v1/{name}:modifyAckDeadline", give_back)
        (second,) = pubsub.pull(url, name)

    assert second.id == first.id
    assert second.ack_id != first.ack_id


def test_many_messages_arrive_once_each(inbox: Inbox) -> None:
    with stand_in() as (standin, url):
        pubsub.create_push_subscription(url, f"{BASE}/subscriptions/sub", TOPIC, inbox.url)
        many = [{"data": base64.b64encode(str(n).encode()).decode()} for n in range(200)]
        ask("POST", f"{url}/v1/{TOPIC}:publish", {"messages": many})
        until(lambda: standin.backlog() == 0)

    data = sorted(int(base64.b64decode(body["message"]["data"])) for body in inbox.got)
    assert data == list(range(200))


def test_stopping_leaves_no_thread() -> None:
    before = threading.active_count()
    with stand_in() as (_, url):
        pubsub.create_push_subscription(
            url, f"{BASE}/subscriptions/s-1", TOPIC, "http://127.0.0.1:9"
        )
    until(lambda: threading.active_count() <= before, 5)


def test_nonsense_is_refused_by_the_stand_in() -> None:
    with stand_in() as (_, url):
        for body in (b"{", b"[]", b"\xff", json.dumps({"messages": [5]}).encode()):
            answer = httpx.post(f"{url}/v1/{TOPIC}:publish", content=body, trust_env=False)
            assert answer.status_code == 400
        for message in (
            {"data": "no base64"},
            {"attributes": {"googx": "y"}},
            {"attributes": {"k": "v" * 1_025}},
            {"attributes": {str(n): "v" for n in range(101)}},
        ):
            answer = ask("POST", f"{url}/v1/{TOPIC}:publish", {"messages": [message]})
            assert answer.status_code == 400, message


def test_a_missing_emulator_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))

    assert pubsub.find_emulator() is None
    assert pubsub.PubSub(tmp_path_factory.mktemp("x")).kind is PubSubKind.STAND_IN
    with pytest.raises(ProgramMissing, match="not installed"):
        pubsub.PubSub(tmp_path_factory.mktemp("x"), kind=PubSubKind.EMULATOR)
