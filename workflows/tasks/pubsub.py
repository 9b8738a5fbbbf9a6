"""Publishing a message to Pub/Sub: Google's own with google-auth, or an emulator without."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from workflows.core import http
from workflows.core.errors import AuthenticationFailed, RequestRefused, SettingsInvalid

if TYPE_CHECKING:
    from workflows.core.settings import Settings

_SCOPE = "https://www.googleapis.com/auth/pubsub"
_TIMEOUT_S = 30.0
_API = "https://pubsub.googleapis.com"


def publish(settings: Settings, data: bytes, attributes: dict[str, str]) -> str:
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
    headers = {} if emulator else {"Authorization": f"Bearer {_access_token()}"}
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


def _access_token() -> str:
    """A token of whoever google-auth says we are (application default credentials)."""
    import google.auth  # noqa: PLC0415 - 0.3 s that an emulator does not need
    import google.auth.exceptions  # noqa: PLC0415
    import google.auth.transport.requests  # noqa: PLC0415

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        request = google.auth.transport.requests.Request()
        credentials.refresh(request)  # type: ignore[no-untyped-call]
    except google.auth.exceptions.GoogleAuthError as error:
        raise AuthenticationFailed(
            "there are no credentials for Google Cloud",
            why=str(error),
            fix="run `gcloud auth application-default login`, or set PUBSUB_EMULATOR_HOST",
        ) from error
    return str(credentials.token)
