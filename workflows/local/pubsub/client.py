"""Calls that set up a Pub/Sub on this machine and read from it. Not for Google's service."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import httpx

from workflows.servers.serving import PLAIN_HTTP

_TIMEOUT_S = 30.0


class PulledMessage(NamedTuple):
    """A message that was pulled; it comes again unless its `ack_id` is acknowledged."""

    id: str
    data: bytes
    attributes: dict[str, str]
    ack_id: str


def create_topic(url: str, topic: str) -> None:
    """Make `projects/P/topics/T`; it may be there already."""
    _ask("PUT", f"{url}/v1/{topic}", {}, there=True)


def create_push_subscription(  # noqa: PLR0913 - options are keyword-only
    url: str,
    subscription: str,
    topic: str,
    endpoint: str,
    *,
    dead_letter_topic: str = "",
    max_attempts: int = 5,
    ack_deadline_s: int = 60,
    backoff_s: tuple[float, float] = (10, 600),
) -> None:
    """Make `projects/P/subscriptions/S`, which posts to `endpoint`; it may be there already.

    `backoff_s` is the pause before the second delivery and the longest one, in seconds.
    """
    body: dict[str, Any] = {
        "topic": topic,
        "pushConfig": {"pushEndpoint": endpoint},
        "ackDeadlineSeconds": ack_deadline_s,
        "retryPolicy": {
            "minimumBackoff": f"{backoff_s[0]:g}s",
            "maximumBackoff": f"{backoff_s[1]:g}s",
        },
    }
    if dead_letter_topic:
        body["deadLetterPolicy"] = {
            "deadLetterTopic": dead_letter_topic,
            "maxDeliveryAttempts": max_attempts,
        }
    _ask("PUT", f"{url}/v1/{subscription}", body, there=True)


def create_pull_subscription(
    url: str, subscription: str, topic: str, *, ack_deadline_s: int = 60
) -> None:
    """Make `projects/P/subscriptions/S`, which waits to be pulled; it may be there already."""
    body = {"topic": topic, "ackDeadlineSeconds": ack_deadline_s}
    _ask("PUT", f"{url}/v1/{subscription}", body, there=True)


def publish_bytes(
    url: str, topic: str, data: bytes, attributes: dict[str, str] | None = None
) -> str:
    """Publish one message and return its id."""
    message = {"data": base64.b64encode(data).decode(), "attributes": attributes or {}}
    answer = _ask("POST", f"{url}/v1/{topic}:publish", {"messages": [message]})
    return str(answer["messageIds"][0])


def pull(url: str, subscription: str, *, limit: int = 100) -> list[PulledMessage]:
    """Up to `limit` messages that wait now; an empty list if there is none."""
    body = {"maxMessages": limit, "returnImmediately": True}
    answer = _ask("POST", f"{url}/v1/{subscription}:pull", body)
    return [
        PulledMessage(
            id=one["message"]["messageId"],
            data=base64.b64decode(one["message"].get("data", "")),
            attributes=one["message"].get("attributes", {}),
            ack_id=one["ackId"],
        )
        for one in answer.get("receivedMessages", ())
    ]


def acknowledge(url: str, subscription: str, pulled: list[PulledMessage]) -> None:
    """Acknowledge these messages, so that they are not delivered again. Idempotent."""
    if pulled:
        body = {"ackIds": [one.ack_id for one in pulled]}
        _ask("POST", f"{url}/v1/{subscription}:acknowledge", body)


def _ask(method: str, url: str, body: Any, *, there: bool = False) -> Any:
    with httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP) as client:
        answer = client.request(method, url, json=body)
    if there and answer.status_code == httpx.codes.CONFLICT:
        return {}
    answer.raise_for_status()
    return answer.json()
