"""A stand-in for Pub/Sub in this process, with the part of the REST API that we use."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from workflows.local.pubsub import rules
from workflows.local.pubsub.broker import Broker, Subscription, ack_id_of
from workflows.local.pubsub.rules import InvalidArgument
from workflows.servers.faults import NextFaults, NextFaultsInjector
from workflows.servers.request_log import LoggedRequest, RequestLog
from workflows.servers.serving import PLAIN_HTTP, serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from workflows.local.pubsub.broker import HeldMessage, Json

_PUSHERS = 8  # at once, of each subscription
_PULL_WAIT_S = 2.0
_ACKNOWLEDGES = frozenset({102, 200, 201, 202, 204})
_NAMES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}


class _Missing(Exception):
    """404 with this text."""


class StandIn:
    """Pub/Sub in this process. `faults` make requests fail; see also `duplicate_next`."""

    def __init__(self) -> None:
        self.faults = NextFaults()
        self.requests: list[LoggedRequest] = []
        self.broker = Broker()
        self._stopping = threading.Event()
        self._pushers: list[threading.Thread] = []
        self._serving = False
        routes = [Route("/", _alive, methods=["GET"])]
        routes += [Route("/v1/{name:path}", self._answer, methods=["GET", "PUT", "POST", "DELETE"])]
        self.app = RequestLog(
            NextFaultsInjector(Starlette(routes=routes), self.faults), self.requests
        )

    @property
    def duplicate_next(self) -> int:
        """How many of the next published messages are delivered twice."""
        return self.broker.duplicate_next

    @duplicate_next.setter
    def duplicate_next(self, count: int) -> None:
        self.broker.duplicate_next = count

    def redeliver(self, message_id: str) -> None:
        """Deliver a message once more, acknowledged or not."""
        self.broker.redeliver(message_id)

    def backlog(self) -> int:
        """How many messages of push subscriptions are not yet acknowledged."""
        return self.broker.backlog()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve and push for as long as the block lasts and yield the base URL."""
        with serve_app(self.app, port=port) as url:
            self._serving = True
            self._stopping.clear()
            for one in self.broker.subscriptions.values():
                self._push(one)
            try:
                yield url
            finally:
                self._serving = False
                self._stopping.set()
                with self.broker.changed:
                    self.broker.changed.notify_all()
                for thread in self._pushers:
                    thread.join(1)
                self._pushers.clear()

    # --- pushing -----------------------------------------------------------------------------

    def _push(self, one: Subscription) -> None:
        if not self._serving or not one.policy.endpoint:
            return
        for _ in range(_PUSHERS):
            thread = threading.Thread(target=self._pusher, args=(one,), name="push", daemon=True)
            self._pushers.append(thread)
            thread.start()

    def _pusher(self, one: Subscription) -> None:
        """Post the messages that are due, one after the other, until the server stops."""
        broker = self.broker
        timeout_s, endpoint = one.policy.ack_deadline_s, one.policy.endpoint
        trust = PLAIN_HTTP if endpoint.startswith("http://") else True
        with httpx.Client(timeout=timeout_s, trust_env=False, verify=trust) as client:
            while not self._stopping.is_set() and one.name in broker.subscriptions:
                with broker.changed:
                    held = broker.take(one)
                    if held is None:
                        broker.changed.wait(broker.wait_s(one))
                        continue
                done = _post(client, one, held)
                broker.settle(one, ack_id_of(held), acknowledged=done)

    # --- REST --------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Response:
        name, _, verb = request.path_params["name"].partition(":")
        try:
            found = await self._route(request.method, name, verb, await request.body())
        except InvalidArgument as error:
            return _error(400, str(error))
        except _Missing as error:
            return _error(404, str(error))
        return found if isinstance(found, JSONResponse) else JSONResponse(found)

    async def _route(self, method: str, name: str, verb: str, data: bytes) -> Json | JSONResponse:
        try:
            body = json.loads(data or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise InvalidArgument("Invalid JSON payload received.")
        parts = name.split("/")
        if parts[2:3] == ["topics"]:
            return self._topics(method, name, verb, body)
        if parts[2:3] == ["subscriptions"]:
            return await self._subscriptions(method, name, verb, body)
        raise _Missing("Not Found")

    def _topics(self, method: str, name: str, verb: str, body: Json) -> Json | JSONResponse:
        topics = self.broker.topics
        if name.endswith("/topics") and method == "GET":
            return {"topics": [one for key, one in topics.items() if key.startswith(f"{name}/")]}
        rules.check_resource_name(name, rules.TOPIC)
        if method == "PUT":
            return self._create_topic(name, body)
        if name not in topics:
            raise _Missing("Topic not found")
        if method == "POST" and verb == "publish":
            return self._publish(name, body)
        if method == "DELETE":
            del topics[name]
            return {}
        return topics[name]

    def _create_topic(self, name: str, body: Json) -> Json | JSONResponse:
        if name in self.broker.topics:
            return _error(409, "Topic already exists")
        self.broker.topics[name] = {**body, "name": name}
        return self.broker.topics[name]

    def _publish(self, topic: str, body: Json) -> Json:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise InvalidArgument("The value for message_count is too small.")
        for message in messages:
            rules.check_message(message)
        return {"messageIds": [self.broker.publish(topic, message) for message in messages]}

    async def _subscriptions(
        self, method: str, name: str, verb: str, body: Json
    ) -> Json | JSONResponse:
        known = self.broker.subscriptions
        if name.endswith("/subscriptions") and method == "GET":
            there = [one.config for key, one in known.items() if key.startswith(f"{name}/")]
            return {"subscriptions": there}
        rules.check_resource_name(name, rules.SUBSCRIPTION)
        if method == "PUT":
            return self._subscribe(name, body)
        if name not in known:
            raise _Missing(f"Subscription does not exist (resource={name.rpartition('/')[2]})")
        one = known[name]
        if method == "POST":
            return await self._act(one, verb, body)
        if method == "DELETE":
            with self.broker.changed:
                del known[name]
            return {}
        return one.config

    def _subscribe(self, name: str, body: Json) -> Json | JSONResponse:
        if name in self.broker.subscriptions:
            return _error(409, "Subscription already exists")
        policy = rules.policy_of(body)
        if policy.topic not in self.broker.topics:
            raise _Missing("Subscription topic does not exist")
        one = Subscription(name, policy, {**body, "name": name, "state": "ACTIVE"})
        with self.broker.changed:
            self.broker.subscriptions[name] = one
        self._push(one)
        return one.config

    async def _act(self, one: Subscription, verb: str, body: Json) -> Json:
        """Pull, acknowledge, or move a deadline (0: deliver again)."""
        ack_ids = body.get("ackIds") or []
        if verb == "pull":
            return {"receivedMessages": await self._pull(one, body)}
        if verb == "acknowledge":
            for ack_id in ack_ids:
                self.broker.settle(one, ack_id, acknowledged=True)
        elif verb == "modifyAckDeadline":
            seconds = body.get("ackDeadlineSeconds") or 0
            for ack_id in ack_ids:
                if seconds:
                    self.broker.extend(one, ack_id, seconds)
                else:
                    self.broker.settle(one, ack_id, acknowledged=False)
        else:
            raise _Missing("Method not found.")
        return {}

    def _due(self, one: Subscription, limit: int) -> list[HeldMessage]:
        found: list[HeldMessage] = []
        with self.broker.changed:
            while len(found) < limit and (held := self.broker.take(one)):
                found.append(held)
        return found

    async def _pull(self, one: Subscription, body: Json) -> list[Json]:
        """What is due; waits up to 2 s for the first message unless `returnImmediately` is set."""
        limit = body.get("maxMessages") or 0
        if not isinstance(limit, int) or limit < 1:
            raise InvalidArgument("The value for max_messages is too small.")
        waited = _PULL_WAIT_S if body.get("returnImmediately") else 0.0
        while not (found := self._due(one, limit)) and waited < _PULL_WAIT_S:
            await asyncio.sleep(0.05)
            waited += 0.05
        return [{"ackId": ack_id_of(held), "message": held.message.body()} for held in found]


def _post(client: httpx.Client, one: Subscription, held: HeldMessage) -> bool:
    """Post a message; whether the endpoint acknowledged it."""
    body: Json = {"message": held.message.body(), "subscription": one.name}
    if one.policy.dead_letter_topic:
        body["deliveryAttempt"] = held.attempt
    with suppress(httpx.HTTPError):
        return client.post(one.policy.endpoint, json=body).status_code in _ACKNOWLEDGES
    return False


async def _alive(_: Request) -> Response:
    return PlainTextResponse("Ok")


def _error(status: int, message: str) -> JSONResponse:
    error: dict[str, Any] = {"code": status, "message": message, "status": _NAMES[status]}
    return JSONResponse({"error": error}, status)
