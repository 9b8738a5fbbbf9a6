"""Pub/Sub on this machine: the real emulator where Google's SDK has it, else a stand-in.

Both speak the same subset of REST on one port: topics, publish, subscriptions that push or are
pulled from, acknowledgement deadlines, retries with backoff, dead letters. Neither checks
permissions or sends identity tokens with a push, and both lose their state when they stop.
The stand-in can also deliver a message twice (`StandIn.duplicate_next`, `StandIn.redeliver`).
"""

from workflows.local.pubsub.client import (
    PulledMessage,
    acknowledge,
    create_pull_subscription,
    create_push_subscription,
    create_topic,
    publish_bytes,
    pull,
)
from workflows.local.pubsub.emulator import find_emulator
from workflows.local.pubsub.server import PubSub, PubSubKind
from workflows.local.pubsub.standin import StandIn

__all__ = [
    "PubSub",
    "PubSubKind",
    "PulledMessage",
    "StandIn",
    "acknowledge",
    "create_pull_subscription",
    "create_push_subscription",
    "create_topic",
    "find_emulator",
    "publish_bytes",
    "pull",
]
