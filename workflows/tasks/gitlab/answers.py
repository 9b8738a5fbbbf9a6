"""GitLab's answers: its errors become ours, its JSON becomes plain values.

Error shapes: https://docs.gitlab.com/api/rest/troubleshooting/ (a text, a list, an object of
lists, `error`, plain text, HTML). The status decides which error it is, never the text.
"""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from workflows.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    RemoteUnavailable,
    RequestConflict,
    RequestRefused,
    ResourceNotFound,
    WorkflowsError,
)
from workflows.core.http_status import http_date_s, is_transient, retry_after_s
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
Json = dict[str, Any]

MAX_WAIT_S = 30.0
_WORDS = 500
_KINDS: dict[int, tuple[type[WorkflowsError], str]] = {
    401: (AuthenticationFailed, "check GITLAB_TOKEN: it may be wrong, expired or revoked"),
    403: (AccessDenied, "give the token the scope api, and its user a higher role in the project"),
    404: (ResourceNotFound, "check the name, and that the token's user is a member there"),
    409: (RequestConflict, "look at what is there now, then try again"),
}


def gitlab_error(
    asked: str, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> WorkflowsError:
    """The error for an answer of 400 or above. `asked` is the method and the path."""
    what = redact(f"GitLab answered {status} to {asked}")
    why = error_words(body)
    if is_transient(status):
        later = RemoteUnavailable(what, why=why, fix="try again later")
        header = headers.get("Retry-After")
        later.wait_s = retry_after_s(header, now=now.timestamp(), longest_s=MAX_WAIT_S)
        return later
    kind, fix = _KINDS.get(status, (RequestRefused, ""))
    return kind(what, why=why, fix=fix)


def error_words(body: bytes) -> str:
    """The text of an error's body in any shape, redacted and then cut to 500 characters."""
    text = body[:20_000].decode(errors="replace")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        said = next(
            (found[k] for k in ("error_description", "message", "error") if found.get(k)), ""
        )
        text = _flat(said) or text
    elif "<" in text:
        page = redact(text)[
            :4_000
        ]  # redacted before it is cut: half a secret would not be recognised
        text = html.unescape(re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", page))
    return redact(" ".join(text[:20_000].split()))[:_WORDS]


def _flat(said: Any, depth: int = 3) -> str:
    """`{"title": ["is too long"]}` as `title: is too long`."""
    if isinstance(said, dict) and depth:
        return "; ".join(f"{name}: {_flat(value, depth - 1)}" for name, value in said.items())
    if isinstance(said, list) and depth:
        return ", ".join(_flat(value, depth - 1) for value in said)
    return str(said)


def http_date(value: str | None) -> datetime | None:
    """The time in a header such as Date, in UTC; None if it is no HTTP date."""
    seconds = http_date_s(value)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def moment(text: Any) -> datetime:
    """A time in an API body: `2016-01-04T15:31:46.176Z`.

    Raises:
        ValueError, TypeError: it is none.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_answer(build: Callable[[Any], T], value: Any) -> T:
    """Apply `build` to an answer.

    Raises:
        RequestRefused: the answer lacks what the API promises (another program answers there).
    """
    try:
        return build(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestRefused(
            "GitLab's answer cannot be understood",
            why=redact(f"{type(error).__name__}: {error}")[:_WORDS],
            fix="check that GITLAB_URL is the address of a GitLab",
        ) from error
