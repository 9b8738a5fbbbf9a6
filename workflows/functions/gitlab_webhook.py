"""The function that GitLab's webhooks call: an event that asks for work becomes a message.

| variable | meaning |
| --- | --- |
| `GITLAB_WEBHOOK_SECRET` | the webhook's token, or its signing token (`whsec_…`), or several |
| `GITLAB_BOT_ID`, `GITLAB_BOT_USERNAME` | the user whose token the flows use |
| `WORKFLOWS_TOPIC` | `projects/P/topics/T` to publish to |
| `WORKFLOWS_LABEL` | what starts work; `workflows::resolve` where it is not set |
| `WORKFLOWS_COMMAND` | likewise, a line of a comment; `/workflows resolve` |
| `WORKFLOWS_MAX_PER_ISSUE`, `WORKFLOWS_MAX_PER_USER` | starts within an hour: 6, 30 |

Everything authentic is answered with 2xx, whether it starts something or not, because GitLab
switches a hook off after a few failures in a row. 503 means that the topic could not be reached:
GitLab does not send the event again by itself, but shows the failure, and a person can resend it.
A body above 25 MiB, which is GitLab's own limit, is refused with 413 and not read.
No body is ever logged.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import functions_framework

from workflows.functions import cloud
from workflows.trigger import authenticity, limits, message, webhook
from workflows.trigger.dispatch import ATTRIBUTE_DEDUPE

if TYPE_CHECKING:
    from flask import Request

_MAX_BODY_BYTES = 25 * 1024 * 1024  # GitLab sends no larger ones; Cloud Run lets 32 MiB through
_TRIES = 2
_PUBLISH_TIMEOUT_S = 3.5  # twice that, because GitLab waits 10 s
Answer = tuple[dict[str, str], int]


@dataclass(frozen=True)
class _Deployment:
    """What the environment says, read once when the instance starts."""

    secrets: authenticity.Secrets
    rules: webhook.TriggerRules
    most: limits.StartLimits
    store: limits.RateStore
    topic: str
    pubsub: cloud.GoogleApi


def _deployment() -> _Deployment:
    return _Deployment(
        secrets=authenticity.Secrets.of(cloud.text_setting("GITLAB_WEBHOOK_SECRET")),
        rules=webhook.TriggerRules(
            bot_id=cloud.positive_number("GITLAB_BOT_ID"),
            bot_username=cloud.text_setting("GITLAB_BOT_USERNAME"),
            label=cloud.text_setting("WORKFLOWS_LABEL", "workflows::resolve"),
            command=cloud.text_setting("WORKFLOWS_COMMAND", "/workflows resolve"),
        ),
        most=limits.StartLimits(
            per_issue=cloud.positive_number("WORKFLOWS_MAX_PER_ISSUE", 6),
            per_user=cloud.positive_number("WORKFLOWS_MAX_PER_USER", 30),
        ),
        store=limits.MemoryStore(),
        topic=cloud.text_setting("WORKFLOWS_TOPIC"),
        pubsub=cloud.pubsub_api(),
    )


_HERE = _deployment()


@functions_framework.http
def gitlab_webhook(request: Request) -> Answer:
    """Take one webhook: verify it before anything else, then publish a message or say why not."""
    if request.method != "POST":
        return _unread(request, "POST only", 405)
    body = _body(request)
    if body is None:
        cloud.log_line("WARNING", f"refused: a body of more than {_MAX_BODY_BYTES} bytes")
        return _unread(request, f"more than {_MAX_BODY_BYTES} bytes", 413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        authenticity.verify_webhook(headers, body, _HERE.secrets, now=time.time())
    except authenticity.NotAuthentic as error:
        cloud.log_line("WARNING", f"refused: {error}")
        return {"error": "the token or signature is not right"}, 401
    found = webhook.read_webhook(headers, body, _HERE.rules)
    if isinstance(found, webhook.Ignored):
        return _ignored("INFO", found.because)
    now = time.time()
    limited = limits.count_start(found, _HERE.store, _HERE.most, now=now)
    if limited is not None:
        return _ignored("WARNING", limited)
    return _publish(found, now)


def _body(request: Request) -> bytes | None:
    """The body; None where its Content-Length, or what has come of it, is above the limit."""
    if (request.content_length or 0) > _MAX_BODY_BYTES:
        return None
    request.max_content_length = _MAX_BODY_BYTES + 1  # where a chunked one is cut off
    body = request.get_data(cache=False)
    return body if len(body) <= _MAX_BODY_BYTES else None


def _unread(request: Request, error: str, status: int) -> Answer:
    """Answer without the body, which functions-framework would read to its end afterwards."""
    request.stream = io.BytesIO()
    return {"error": error}, status


def _ignored(severity: str, because: str) -> Answer:
    cloud.log_line(severity, f"ignored because {because}")
    return {"ignored": because}, 200


def _publish(wanted: webhook.Wanted, now: float) -> Answer:
    """Publish, at most twice: the trigger function knows both by the same key."""
    data = message.build_message(wanted.workflow, wanted.parameters)
    attributes = {"origin": "gitlab", ATTRIBUTE_DEDUPE: wanted.dedupe_key}
    facts = {"workflow": wanted.workflow, "issue": wanted.issue, "user": wanted.user}
    for left in reversed(range(_TRIES)):
        try:
            number = cloud.publish_message(
                *(_HERE.pubsub, _HERE.topic, data, attributes), timeout_s=_PUBLISH_TIMEOUT_S
            )
            break
        except (cloud.ApiTransient, cloud.ApiRefused) as error:
            if left and isinstance(error, cloud.ApiTransient):
                continue
            limits.give_back_start(wanted, _HERE.store, now=now)
            cloud.log_line("ERROR", f"not published: {error}", **facts)
            return {"error": "the topic could not be reached; resend the event"}, 503
    limits.note_start(wanted, _HERE.store)
    cloud.log_line("INFO", f"published for: {wanted.trigger}", **facts, message_id=number)
    return {"message_id": number}, 202
