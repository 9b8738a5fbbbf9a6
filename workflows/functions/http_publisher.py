"""The function for our own callers: it publishes a checked message to the topic. Adapter only.

| variable | meaning |
| --- | --- |
| `WORKFLOWS_TOPIC` | `projects/P/topics/T` to publish to |
| `WORKFLOW_JOBS` | the workflows there are, as the trigger function has them |

IAM decides who may call (roles/run.invoker); the function itself checks no caller.
A request with an `Idempotency-Key` that comes again starts nothing twice. The key belongs to what
was asked for: the same key with another body, of another caller maybe, is another request.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import functions_framework

import workflows.trigger
from workflows.functions import cloud
from workflows.trigger import dispatch, message

if TYPE_CHECKING:
    from flask import Request

_PUBLISH_TIMEOUT_S = 10
_MAX_KEY = 200
Answer = tuple[dict[str, Any], int]


@dataclass(frozen=True)
class _Deployment:
    """What the environment says, read once when the instance starts."""

    catalog: dispatch.Catalog
    topic: str
    pubsub: cloud.GoogleApi


def _deployment() -> _Deployment:
    known = Path(workflows.trigger.__file__).with_name("catalog.json").read_text(encoding="utf-8")
    return _Deployment(
        catalog=dispatch.Catalog.of(cloud.text_setting("WORKFLOW_JOBS"), known),
        topic=cloud.text_setting("WORKFLOWS_TOPIC"),
        pubsub=cloud.pubsub_api(),
    )


_HERE = _deployment()


@functions_framework.http
def http_publisher(request: Request) -> Answer:
    """`{"workflow", "parameters"}` -> 202 `{"messageId"}`, 400 with all findings, 503."""
    if request.method != "POST":
        return {"error": "POST only"}, 405
    try:
        wanted = message.parse_message(request.get_data(cache=False))
        start = dispatch.dispatch(wanted, _HERE.catalog)
    except message.MessageRefused as error:
        return {"findings": list(error.findings)}, 400
    attributes = {"origin": "http"}
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > _MAX_KEY or not (key.isascii() and key.isprintable()):
        return {"findings": [f"Idempotency-Key is longer than {_MAX_KEY} or no plain text"]}, 400
    data = message.build_message(start.workflow, wanted.parameters)
    if key:
        attributes[dispatch.ATTRIBUTE_DEDUPE] = f"http:{hashlib.sha256(data).hexdigest()}:{key}"
    try:
        number = cloud.publish_message(
            *(_HERE.pubsub, _HERE.topic, data, attributes), timeout_s=_PUBLISH_TIMEOUT_S
        )
    except (cloud.ApiTransient, cloud.ApiRefused) as error:
        cloud.log_line("ERROR", f"not published: {error}", workflow=start.workflow)
        return {"error": "the topic could not be reached; try again"}, 503
    cloud.log_line("INFO", "published for a caller", workflow=start.workflow, message_id=number)
    return {"messageId": number}, 202
