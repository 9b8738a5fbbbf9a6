"""Reads a delivery of Pub/Sub: a push request, or the same as a CloudEvent. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from workflows.trigger.message import MessageRefused, load_json

_MAX_ID = 128


class EnvelopeRefused(Exception):
    """The request does not come from Pub/Sub or Eventarc."""


@dataclass(frozen=True, slots=True)
class PubSubDelivery:
    """One delivery of one message. `id` is the same each time it is delivered.

    `attempt` is counted by Pub/Sub where a dead-letter policy is set, else None.
    """

    id: str
    data: bytes
    attributes: dict[str, str]
    subscription: str
    attempt: int | None


def read_delivery(body: bytes) -> PubSubDelivery:
    """The delivery in a request's body.

    The body is a push request (`{"message": …, "subscription": …}`, which is also the body of a
    CloudEvent in binary mode) or a CloudEvent in structured mode (the same below `data`).

    Raises:
        EnvelopeRefused: it is neither.
    """
    whole = _push_request(body)
    inside = whole.get("message")
    if not isinstance(inside, dict):
        raise EnvelopeRefused("the request holds no message of Pub/Sub")
    number = inside.get("messageId", inside.get("message_id"))
    if not isinstance(number, str) or not 0 < len(number) <= _MAX_ID or not number.isprintable():
        raise EnvelopeRefused("the message has no messageId")
    attempt = whole.get("deliveryAttempt")
    return PubSubDelivery(
        id=number,
        data=_data(inside.get("data") or ""),
        attributes=_attributes(inside.get("attributes")),
        subscription=str(whole.get("subscription") or ""),
        attempt=attempt if isinstance(attempt, int) else None,
    )


def _push_request(body: bytes) -> dict[str, Any]:
    """The push request, taken out of the CloudEvent around it; empty if there is no object."""
    try:
        whole = load_json(body)
    except MessageRefused as error:
        raise EnvelopeRefused(str(error)) from None
    if not isinstance(whole, dict):
        return {}
    inner = whole.get("data")
    return inner if "message" not in whole and isinstance(inner, dict) else whole


def _data(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise EnvelopeRefused("the message's data is not base64") from None


def _attributes(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}
