"""Publishing a message to Pub/Sub: Google's own with google-auth, or an emulator without."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from workflows.core import http
from workflows.core.errors import RequestRefused, SettingsInvalid
from workflows.core.google.token import GoogleToken

if TYPE_CHECKING:
    from workflows.core.config.settings import Settings

_token = GoogleToken("https://www.googleapis.com/auth/pubsub", "Pub/Sub")
_TIMEOUT_S = 30.0
_API = "https://pubsub.googleapis.com"


def publish_to_topic(settings: Settings, data: bytes, attributes: dict[str, str]) -> str:
    """Publish to WORKFLOWS_TOPIC and return the message's id. Never sent twice by itself.

    Raises:
        SettingsInvalid: WORKFLOWS_TOPIC is not set.
        AuthenticationFailed: google-auth finds no credentials, or Google does not take them.
        AccessDenied, RequestRefused: no right to publish there, or no such topic.
        NetworkError, TimeoutExceeded, RemoteUnavailable: it may work later.
    """
    if settings.topic is None:
        raise SettingsInvalid(
            "WORKFLOWS_TOPIC is not set",
            why="a message is published to a topic",
            fix="export WORKFLOWS_TOPIC=projects/PROJECT/topics/TOPIC",
        )
    emulator = settings.pubsub_emulator
    base_url = f"http://{emulator}" if emulator else _API
    headers = {} if emulator else _token.headers()
    message = {"data": base64.b64encode(data).decode(), "attributes": attributes}
    answer = http.request(
        "POST",
        f"{base_url}/v1/{settings.topic}:publish",
        timeout_s=_TIMEOUT_S,
        headers=headers,
        json_body={"messages": [message]},
    ).json()
    try:
        return str(answer["messageIds"][0])
    except (KeyError, IndexError, TypeError):
        raise RequestRefused("Pub/Sub named no message id") from None
