"""What the functions share: settings, log lines, requests to Google's APIs.

It uses REST and google-auth, because the generated clients take a second to import at each cold
start. Of `workflows.core` only what `staging` names comes along.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from typing import Any

import google.auth
import google.auth.exceptions
import urllib3
from google.auth.transport.urllib3 import AuthorizedHttp

from workflows.core.http_status import is_transient

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CREDENTIALS_REFUSED = 401  # about our credentials, not about the message: it may pass
_CONFLICT = 409  # another request for the same thing is under way
_LOCAL = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
_SHOWN = 300


class FunctionSettingInvalid(Exception):
    """An environment variable of the deployment is missing or wrong; the function cannot start."""


class ApiTransient(Exception):
    """The same request may work later: no answer, no credentials, 401, 408, 409, 425, 429, 5xx."""


class ApiRefused(Exception):
    """A final answer: the same request will not work later. `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def text_setting(name: str, default: str | None = None) -> str:
    """One environment variable.

    Raises:
        FunctionSettingInvalid: it is not set, and there is no default.
    """
    value = os.environ.get(name) or default
    if value is None:
        raise FunctionSettingInvalid(f"{name} is not set")
    return value


def positive_number(name: str, default: int | None = None) -> int:
    """One environment variable that is a positive whole number.

    Raises:
        FunctionSettingInvalid: it is none, or not set and without a default.
    """
    text = text_setting(name, None if default is None else str(default))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise FunctionSettingInvalid(f"{name} is not a positive whole number")
    return int(text)


def log_line(severity: str, message: str, **fields: object) -> None:
    """One line of JSON, as Cloud Logging reads it: severity, message, and the fields."""
    entry = {"severity": severity, "message": message}
    entry |= {name: str(value) for name, value in fields.items() if value is not None}
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()


class GoogleApi:
    """One of Google's APIs. Safe for threads; a request is sent once, and again only after a 401.

    On this machine (a stand-in, an emulator) it asks without credentials, unless google-auth is
    told where to find some. A token never goes over plain HTTP to another machine.
    """

    def __init__(self, base_url: str) -> None:
        if not base_url.startswith(("https://", *_LOCAL)):
            raise FunctionSettingInvalid(f"{base_url} is neither https nor on this machine")
        self.base_url = base_url.rstrip("/")
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)
        self._anonymous = base_url.startswith(_LOCAL) and not (
            os.environ.get("GCE_METADATA_HOST") or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        )
        self._authorized: AuthorizedHttp | None = None
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float) -> Any:
        """The JSON of a good answer.

        Raises:
            ApiTransient, ApiRefused: as the answer says; ApiTransient too where there is none.
        """
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._http().urlopen(
                method,
                self.base_url + path,
                body=data,
                headers={"Content-Type": "application/json"},
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
            )
            text = answer.data.decode("utf-8", "replace")
        except urllib3.exceptions.HTTPError as error:
            raise ApiTransient(f"{self.base_url} did not answer: {type(error).__name__}") from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise ApiTransient(f"no credentials: {type(error).__name__}") from error
        return _checked(answer.status, text, f"{method} {path.partition('?')[0]}")

    def _http(self) -> Any:
        if self._anonymous:
            return self._pool
        with self._lock:
            if self._authorized is None:
                credentials, _ = google.auth.default(scopes=[_SCOPE])
                self._authorized = AuthorizedHttp(  # type: ignore[no-untyped-call]
                    credentials, http=self._pool
                )
            return self._authorized


def _checked(status: int, text: str, what: str) -> Any:
    if is_transient(status) or status in {_CREDENTIALS_REFUSED, _CONFLICT}:
        raise ApiTransient(f"{what} was answered with {status}")
    if status >= 300:  # noqa: PLR2004 - HTTP's own number
        raise ApiRefused(status, f"{what} was answered with {status}: {_reason(text)}")
    try:
        return json.loads(text)
    except ValueError:
        raise ApiTransient(f"{what} was answered with {status}, but not with JSON") from None


def _reason(text: str) -> str:
    """Google's own words for an error, else the beginning of the body."""
    try:
        return str(json.loads(text)["error"]["message"])[:_SHOWN]
    except (ValueError, KeyError, TypeError):
        return text[:_SHOWN]


def cloud_run_api() -> GoogleApi:
    """Cloud Run's API, or the stand-in that CLOUD_RUN_API names."""
    return GoogleApi(text_setting("CLOUD_RUN_API", "https://run.googleapis.com"))


def pubsub_api() -> GoogleApi:
    """Pub/Sub's API, or the emulator that PUBSUB_EMULATOR_HOST names."""
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    return GoogleApi(f"http://{emulator}" if emulator else "https://pubsub.googleapis.com")


def publish_message(
    api: GoogleApi, topic: str, data: bytes, attributes: dict[str, str], *, timeout_s: float
) -> str:
    """Publish to `projects/P/topics/T` and return the message's id.

    Raises:
        ApiTransient: it may have been published; publish it again.
        ApiRefused: no such topic, or no right to publish there.
    """
    message = {"data": base64.b64encode(data).decode(), "attributes": attributes}
    answer = api.ask("POST", f"/v1/{topic}:publish", {"messages": [message]}, timeout_s=timeout_s)
    try:
        return str(answer["messageIds"][0])
    except (KeyError, IndexError, TypeError):
        raise ApiTransient("Pub/Sub named no message id") from None
