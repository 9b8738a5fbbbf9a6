"""Which names, sizes and durations Pub/Sub accepts. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from workflows.local.pubsub.broker import DeliveryPolicy

_ID = r"(?!goog)[A-Za-z][A-Za-z0-9._~%+-]{2,254}"
TOPIC = re.compile(rf"projects/[^/]+/topics/{_ID}")
SUBSCRIPTION = re.compile(rf"projects/[^/]+/subscriptions/{_ID}")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]{1,9})?)s")
_MAX_BYTES = 10_000_000
_MAX_ATTRIBUTES, _MAX_KEY, _MAX_VALUE = 100, 256, 1024
_LONGEST_BACKOFF_S = 600
_ACK_S = (10, 600)
_ATTEMPTS = (5, 100)


class InvalidArgument(Exception):
    """400 INVALID_ARGUMENT with this text."""


def check_resource_name(name: str, pattern: re.Pattern[str]) -> None:
    """Refuse an invalid resource name."""
    if not pattern.fullmatch(name):
        raise InvalidArgument(f"Invalid resource name given (name={name}).")


def check_message(message: Any) -> None:
    """Refuse a message that could not be published."""
    if not isinstance(message, dict):
        raise InvalidArgument("Invalid JSON payload received.")
    try:
        data = base64.b64decode(message.get("data") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidArgument("Base64 decoding failed for the field data.") from None
    attributes = message.get("attributes") or {}
    if not data and not attributes:
        raise InvalidArgument("Some messages are empty.")
    if len(data) > _MAX_BYTES:
        raise InvalidArgument("The message is too large.")
    _check_attributes(attributes)


def _check_attributes(attributes: Any) -> None:
    if not isinstance(attributes, dict) or len(attributes) > _MAX_ATTRIBUTES:
        raise InvalidArgument("The message has too many attributes.")
    for key, value in attributes.items():
        if not isinstance(value, str) or not 0 < len(key.encode()) <= _MAX_KEY:
            raise InvalidArgument("An attribute is no text, or its key is empty or too long.")
        if len(value.encode()) > _MAX_VALUE or key.startswith("goog"):
            raise InvalidArgument("An attribute's value is too long, or its key is reserved.")


def policy_of(body: Any) -> DeliveryPolicy:
    """How a subscription with this configuration delivers.

    Raises:
        InvalidArgument: a value is out of its range.
    """
    check_resource_name(str(body.get("topic")), TOPIC)
    deadline = body.get("ackDeadlineSeconds") or _ACK_S[0]
    if not isinstance(deadline, int) or not _ACK_S[0] <= deadline <= _ACK_S[1]:
        raise InvalidArgument(f"Invalid ack deadline given (ack_deadline_secs={deadline}).")
    backoff = _backoff(body.get("retryPolicy"))
    dead_letter_topic, attempts = _dead_letters(body.get("deadLetterPolicy") or {})
    return DeliveryPolicy(
        topic=body["topic"],
        endpoint=(body.get("pushConfig") or {}).get("pushEndpoint", ""),
        ack_deadline_s=float(deadline),
        backoff_s=backoff,
        dead_letter_topic=dead_letter_topic,
        max_attempts=attempts,
    )


def _backoff(retry: Any) -> tuple[float, float]:
    """Seconds before the second delivery, and the longest pause; short ones without a policy."""
    if not retry:
        return 0.1, 1.0
    least = _seconds(retry.get("minimumBackoff"), 10.0)
    most = _seconds(retry.get("maximumBackoff"), float(_LONGEST_BACKOFF_S))
    if least > most or most > _LONGEST_BACKOFF_S:
        raise InvalidArgument("Invalid retry policy given.")
    return least, most


def _dead_letters(policy: Any) -> tuple[str, int]:
    """The topic of the dead letters ("": none) and the number of deliveries before it."""
    attempts = policy.get("maxDeliveryAttempts") or _ATTEMPTS[0]
    if not isinstance(attempts, int) or not _ATTEMPTS[0] <= attempts <= _ATTEMPTS[1]:
        raise InvalidArgument("Invalid max delivery attempts given.")
    topic = policy.get("deadLetterTopic", "")
    if topic:
        check_resource_name(topic, TOPIC)
    return topic, attempts


def _seconds(text: Any, default: float) -> float:
    """`1.5s` as seconds."""
    if text is None:
        return default
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidArgument("Invalid duration given.")
    return float(found[1])
