"""Topics, subscriptions and their messages: the state of the stand-in. No I/O, no thread."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
_DEAD = "CloudPubSubDeadLetterSource"


@dataclass(frozen=True)
class PublishedMessage:
    """A published message. `data` is base64, as it travels."""

    id: str
    data: str
    attributes: dict[str, str]
    ordering_key: str
    published: str

    def body(self) -> Json:
        """The message as pull and push send it; the emulator has the names with underscores too."""
        found: Json = {"messageId": self.id, "message_id": self.id}
        found |= {"publishTime": self.published, "publish_time": self.published}
        if self.data:
            found["data"] = self.data
        if self.attributes:
            found["attributes"] = dict(self.attributes)
        if self.ordering_key:
            found["orderingKey"] = self.ordering_key
        return found


@dataclass(order=True)
class HeldMessage:
    """A message in a subscription, due at `due` (monotonic seconds); `attempt` counts from 1."""

    due: float
    number: int
    message: PublishedMessage = field(compare=False)
    attempt: int = field(default=0, compare=False)


@dataclass(frozen=True)
class DeliveryPolicy:
    """How a subscription delivers; times in seconds."""

    topic: str
    endpoint: str
    ack_deadline_s: float
    backoff_s: tuple[float, float]
    dead_letter_topic: str
    max_attempts: int

    def pause_s(self, attempt: int) -> float:
        """How long to wait after this attempt has failed."""
        least, most = self.backoff_s
        return float(min(least * 2 ** min(attempt - 1, 30), most))


@dataclass
class Subscription:
    """A subscription: messages that wait, and those delivered but not yet acknowledged (`out`)."""

    name: str
    policy: DeliveryPolicy
    config: Json
    waiting: list[HeldMessage] = field(default_factory=list)
    out: dict[str, tuple[HeldMessage, float]] = field(default_factory=dict)


class Broker:
    """All topics and subscriptions; every method may be called from any thread."""

    def __init__(self) -> None:
        self.topics: dict[str, Json] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.changed = threading.Condition()
        self.duplicate_next = 0
        self._kept: dict[str, tuple[str, PublishedMessage]] = {}
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)

    def publish(self, topic: str, message: Json) -> str:
        """Put a message into every subscription of the topic and return its id."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self.changed:
            made = PublishedMessage(
                id=str(next(self._ids)),
                data=message.get("data", ""),
                attributes=dict(message.get("attributes") or {}),
                ordering_key=message.get("orderingKey", ""),
                published=stamp,
            )
            self._kept[made.id] = (topic, made)
            copies = 1
            if self.duplicate_next:
                self.duplicate_next -= 1
                copies = 2
            for _ in range(copies):
                self._spread(topic, made)
        return made.id

    def redeliver(self, message_id: str) -> None:
        """Deliver a message once more to every subscription of its topic, acknowledged or not."""
        with self.changed:
            self._spread(*self._kept[message_id])

    def _spread(self, topic: str, message: PublishedMessage) -> None:
        """Caller holds the lock."""
        for one in self.subscriptions.values():
            if one.policy.topic == topic:
                self._put(one, HeldMessage(time.monotonic(), next(self._numbers), message))

    def _put(self, one: Subscription, held: HeldMessage) -> None:
        heapq.heappush(one.waiting, held)
        self.changed.notify_all()

    def take(self, one: Subscription) -> HeldMessage | None:
        """The next message that is due; it counts as delivered now. Caller holds the lock."""
        now = time.monotonic()
        for ack_id, (held, deadline) in list(one.out.items()):
            if deadline <= now:
                del one.out[ack_id]
                self._failed(one, held)
        if not one.waiting or one.waiting[0].due > now:
            return None
        held = heapq.heappop(one.waiting)
        held.attempt += 1
        one.out[ack_id_of(held)] = (held, now + one.policy.ack_deadline_s)
        return held

    def wait_s(self, one: Subscription) -> float:
        """Seconds until a message is due or a deadline passes, at most 1. Caller holds the lock."""
        times = [one.waiting[0].due] if one.waiting else []
        times += [deadline for _, deadline in one.out.values()]
        return max(0.0, min([1.0, *(due - time.monotonic() for due in times)]))

    def settle(self, one: Subscription, ack_id: str, *, acknowledged: bool) -> None:
        """Acknowledge a delivered message, or have it delivered again; unknown ids are ignored."""
        with self.changed:
            held, _ = one.out.pop(ack_id, (None, 0.0))
            if held is not None and not acknowledged:
                self._failed(one, held)

    def extend(self, one: Subscription, ack_id: str, seconds: float) -> None:
        """Move the acknowledgement deadline of a delivered message to `seconds` from now."""
        with self.changed:
            if ack_id in one.out:
                one.out[ack_id] = (one.out[ack_id][0], time.monotonic() + seconds)

    def _failed(self, one: Subscription, held: HeldMessage) -> None:
        """Deliver again after a pause, or move to the dead letters. Caller holds the lock."""
        policy = one.policy
        if policy.dead_letter_topic in self.topics and held.attempt >= policy.max_attempts:
            project, name = one.name.split("/")[1::2]
            attributes = held.message.attributes | {
                f"{_DEAD}DeliveryCount": str(held.attempt),
                f"{_DEAD}Subscription": name,
                f"{_DEAD}SubscriptionProject": project,
                f"{_DEAD}TopicPublishTime": held.message.published,
            }
            letter = {"data": held.message.data, "attributes": attributes}
            self.publish(policy.dead_letter_topic, letter)
            return
        held.due = time.monotonic() + policy.pause_s(held.attempt)
        self._put(one, held)

    def backlog(self) -> int:
        """How many messages of push subscriptions are not yet acknowledged."""
        with self.changed:
            pushing = [one for one in self.subscriptions.values() if one.policy.endpoint]
            return sum(len(one.waiting) + len(one.out) for one in pushing)


def ack_id_of(held: HeldMessage) -> str:
    """The ack id of one delivery; a new one each time, so a late acknowledgement has no effect."""
    return f"{held.number}-{held.attempt}"
