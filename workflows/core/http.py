"""HTTP requests: the one module that opens connections (python-gitlab has its own).

Every request has a timeout, follows no redirect by itself (a token must not travel to another
host) and ends in a `Response` or in one error of ours. Only requests that may be repeated are:
GET, HEAD, PUT and DELETE; a POST is never sent twice.
"""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx

from workflows.core.config import environment
from workflows.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    NetworkError,
    RemoteUnavailable,
    RequestConflict,
    RequestRefused,
    TimeoutExceeded,
    TransientError,
)
from workflows.core.http_status import is_transient, retry_after_s
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}
_MAX_WAIT_S = 30.0
MAX_BODY_BYTES = 64 * 1024 * 1024
_HERE = {"127.0.0.1", "::1"}
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers (lower-case names) and body of an answer below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            RequestRefused: it is not JSON (a login page, a proxy's words).
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise RequestRefused(
                "the answer is not JSON", why=_quoted(self.body.decode(errors="replace"), 200)
            ) from error


def request(  # noqa: PLR0913 - options are keyword-only
    method: str,
    url: str,
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    json_body: object | None = None,
    body: bytes | None = None,
    retries: int = 0,
    accept_redirect: bool = False,
    accept: Collection[int] = (),
    limit_bytes: int = MAX_BODY_BYTES,
) -> Response:
    """Send one request and return its answer; `timeout_s` bounds each attempt, in seconds.

    `retries` applies to transient errors of repeatable methods only; `Retry-After` is honoured
    up to 30 s. `accept_redirect` returns a 3xx answer instead of refusing it, `accept` answers
    of the statuses named. What is sent is `json_body` or `body`; an answer of more than
    `limit_bytes` (uncompressed) is refused while it arrives.

    Raises:
        NetworkError, TimeoutExceeded, RemoteUnavailable: may pass.
        AuthenticationFailed (401), AccessDenied (403), RequestRefused (other 4xx, 3xx): will not.
    """
    sent = _Sent(method, url, timeout_s, dict(headers or {}), json_body, body, limit_bytes)
    attempts = 1 + (retries if method.upper() in _REPEATABLE else 0)
    for attempt in range(1, attempts + 1):
        try:
            answer = _send(sent)
            if answer.status in accept:
                return answer
            return _checked(method, url, answer, accept_redirect=accept_redirect)
        except TransientError as error:
            if attempt == attempts:
                raise
            asked = error.wait_s if isinstance(error, RemoteUnavailable) else None
            time.sleep(min(2.0 ** (attempt - 1), _MAX_WAIT_S) if asked is None else asked)
    raise AssertionError  # the loop returns or raises


@dataclass(frozen=True, slots=True)
class _Sent:
    """What one request is made of."""

    method: str
    url: str
    timeout_s: float
    headers: dict[str, str]
    json_body: object | None
    body: bytes | None
    limit_bytes: int


def _send(sent: _Sent) -> Response:
    """One attempt; a server that answers drop by drop is cut off after `timeout_s` too."""
    url, timeout_s = sent.url, sent.timeout_s
    host = redact(url)  # unless it can be taken apart
    deadline = time.monotonic() + timeout_s
    try:
        address = httpx.URL(url)
        host = address.host
        body = bytearray()
        # trust_env off for this machine: a proxy must not get what is meant for 127.0.0.1
        trust_env = host not in _HERE
        trust = _trust(trust_env=trust_env) if address.scheme == "https" else _NO_TLS
        with (
            httpx.Client(timeout=timeout_s, trust_env=trust_env, verify=trust) as client,
            client.stream(
                sent.method, url, headers=sent.headers, json=sent.json_body, content=sent.body
            ) as answer,
        ):
            for chunk in answer.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer takes too long")
                if len(body) > sent.limit_bytes:
                    raise RequestRefused(f"{host} sends more than {sent.limit_bytes} bytes")
        return Response(answer.status_code, dict(answer.headers), bytes(body))
    except httpx.TimeoutException as error:
        raise TimeoutExceeded(f"{host} did not answer within {timeout_s:g} s") from error
    except UnicodeEncodeError as error:
        raise RequestRefused("a header holds characters that HTTP cannot carry") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NetworkError(
            f"the connection to {host} failed",
            why=redact(str(error)),
            fix="check the address and the network, then try again",
        ) from error


def _trust(*, trust_env: bool) -> ssl.SSLContext:
    """Whom an https server must be known to: certifi's list, or SSL_CERT_FILE, SSL_CERT_DIR."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    return _context(*(environment.variable(name) if trust_env else None for name in names))


@lru_cache(maxsize=4)
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Made once for each: reading the certificates takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=bool(file or folder))


def _checked(method: str, url: str, answer: Response, *, accept_redirect: bool) -> Response:
    """The answer itself if it is a good one.

    Raises:
        RemoteUnavailable, AuthenticationFailed, AccessDenied, RequestRefused: by its status.
    """
    status = answer.status
    if status < 300 or (status < 400 and accept_redirect):  # noqa: PLR2004 - HTTP's own numbers
        return answer
    what = redact(f"{method} {url} was answered with {status}")
    why = _quoted(answer.body.decode(errors="replace"), 500)
    if is_transient(status):
        later = RemoteUnavailable(what, why=why, fix="try again later")
        header = answer.headers.get("retry-after")
        later.wait_s = retry_after_s(header, now=time.time(), longest_s=_MAX_WAIT_S)
        raise later
    if status == 401:  # noqa: PLR2004
        raise AuthenticationFailed(what, why=why, fix="check the token")
    if status == 403:  # noqa: PLR2004
        raise AccessDenied(what, why=why, fix="check the role of the token's user")
    refused = (RequestConflict if status == 409 else RequestRefused)(what, why=why)  # noqa: PLR2004
    refused.status = status
    raise refused


def _quoted(text: str, length: int) -> str:
    """The beginning of a body for messages; cut after redaction, or half a secret would show."""
    return redact(text[:20_000])[:length]
