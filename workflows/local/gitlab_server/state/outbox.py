"""The queue of webhook deliveries; a thread sends them one after the other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import queue
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.local.gitlab_server.state.model import Hook, Json

TIMEOUT_S = 10.0
_LOG_LENGTH = 200
_MAX_BODY_BYTES = 25 * 1024 * 1024


@dataclass(frozen=True)
class WebhookDelivery:
    """One request to one webhook. `key` is its Idempotency-Key."""

    id: int
    hook: Hook
    event: str
    body: bytes
    key: str
    instance: str
    version: str
    event_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def headers(self) -> dict[str, str]:
        """The headers that GitLab sends; the webhook's UUID and the time are new at each call."""
        hook = self.hook
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"GitLab/{self.version}",
            "X-Gitlab-Event": self.event,
            "X-Gitlab-Instance": self.instance,
            "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
            "X-Gitlab-Event-UUID": self.event_uuid,
            "Idempotency-Key": self.key,
        }
        headers |= {str(item["key"]): str(item.get("value", "")) for item in hook.custom_headers}
        if hook.token:
            headers["X-Gitlab-Token"] = hook.token
        if hook.signing_token:
            stamp = str(int(time.time()))
            headers["webhook-id"] = self.key
            headers["webhook-timestamp"] = stamp
            headers["webhook-signature"] = signature(hook.signing_token, self.key, stamp, self.body)
        return headers


def signature(signing_token: str, key: str, stamp: str, body: bytes) -> str:
    """The signature of Standard Webhooks: `v1,` and the HMAC of id, time and raw body."""
    secret = base64.b64decode(signing_token.removeprefix("whsec_"))
    signed = f"{key}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


class Outbox:
    """Sends deliveries in order while it is started; those put in before wait."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[WebhookDelivery | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.after: Callable[[WebhookDelivery, int | None], None] = lambda _delivery, _status: None

    def start(self) -> None:
        """Start the thread that sends."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current delivery, waiting 1 s for it; what waits is dropped."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread:
            self._thread.join(1)
        with suppress(queue.Empty):  # else `wait` would never return
            while True:
                self._waiting.get_nowait()
                self._waiting.task_done()

    def put(self, delivery: WebhookDelivery) -> None:
        """Queue a delivery; one with a body above 25 MB is dropped, as GitLab does."""
        if len(delivery.body) <= _MAX_BODY_BYTES:
            self._waiting.put(delivery)

    def wait(self) -> None:
        """Return when everything put in so far was answered or has failed."""
        self._waiting.join()

    def _work(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            while (delivery := self._waiting.get()) is not None and not self._stopping.is_set():
                status = send(client, delivery)
                self.after(delivery, status)
                self._waiting.task_done()
            self._waiting.task_done()


def send(client: httpx.Client, delivery: WebhookDelivery) -> int | None:
    """Send once, log it at the webhook and return the status; None: no answer."""
    headers = delivery.headers()
    started = time.monotonic()
    try:
        answer = client.post(delivery.hook.url, content=delivery.body, headers=headers)
        status, text = answer.status_code, answer.text
        received = dict(answer.headers)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        status, text, received = None, repr(error), {}
    shown = headers | ({"X-Gitlab-Token": "[REDACTED]"} if delivery.hook.token else {})
    entry: Json = {
        "id": delivery.id,
        "url": delivery.hook.url,
        "trigger": delivery.event.lower().replace(" hook", "_hooks").replace(" ", "_"),
        "request_headers": shown,
        "request_data": delivery.body.decode(),
        "response_headers": received,
        "response_body": text[:8_000],
        "execution_duration": time.monotonic() - started,
        "response_status": str(status) if status else "internal error",
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "delivery": delivery,
    }
    delivery.hook.log[:] = [entry, *delivery.hook.log][:_LOG_LENGTH]
    return status
