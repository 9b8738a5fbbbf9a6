"""Authorization at the Task Runner: none, a fixed token, or Google ID tokens that are renewed."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any, Protocol

from workflows.core.errors import AuthenticationFailed, NetworkError, SettingsInvalid
from workflows.core.redaction import redact, remember

RENEW_BEFORE_S = 300.0


class Authorization(Protocol):
    """Gives the Authorization header as a whole line with its CRLF, or an empty text."""

    renewable: bool
    advice: str  # for the user, if the runner does not accept it

    def current(self) -> str:
        """The line if it needs no renewal; if this is empty, `header` must be awaited."""
        ...

    async def header(self) -> str:
        """The line; gets a new token if that is needed."""
        ...

    async def renew(self, refused: str) -> None:
        """Get another token, as the line `refused` was not accepted; concurrent calls get one."""
        ...


class NoAuthorization:
    """No Authorization header."""

    renewable = False
    advice = "the runner wants a token: give --tr-auth-jwt TOKEN, or leave it out for Google's"

    def current(self) -> str:
        """Empty."""
        return ""

    async def header(self) -> str:
        """Empty."""
        return ""

    async def renew(self, refused: str) -> None:
        """Does nothing."""


class FixedToken:
    """One token for the whole run; `expires_at` is in seconds since 1970, or None if unknown."""

    renewable = False
    advice = "check --tr-auth-jwt: is it for this runner, has it expired?"

    def __init__(self, token: str) -> None:
        if not token.isascii() or any(c.isspace() or ord(c) < 32 for c in token):  # noqa: PLR2004
            raise SettingsInvalid(
                "--tr-auth-jwt holds characters that a header cannot carry",
                fix="give the token alone, without `Bearer` and line ends",
            )
        remember([token])
        self.expires_at = token_expiry(token)
        self._line = f"Authorization: Bearer {token}\r\n"

    def current(self) -> str:
        """The line, always the same."""
        return self._line

    async def header(self) -> str:
        """The line, always the same."""
        return self._line

    async def renew(self, refused: str) -> None:
        """Does nothing: there is only this token."""


class GoogleIdToken:
    """Google ID tokens for one audience, from google-auth; renewed 5 minutes before they expire.

    google-auth finds the credentials: the file GOOGLE_APPLICATION_CREDENTIALS (a service account,
    or an impersonated one), then the metadata server.
    """

    renewable = True
    advice = "may this service account invoke the runner (roles/run.invoker)?"

    def __init__(self, audience: str) -> None:
        self._audience = audience
        self._credentials: Any = None
        self._line = ""
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    def current(self) -> str:
        """The line, while its token is valid for five more minutes; else empty."""
        return self._line if time.time() < self._good_until else ""

    async def header(self) -> str:
        """The line, with a new token if the old one ends soon.

        Raises:
            AuthenticationFailed: there are no credentials that give ID tokens.
            NetworkError: the token service cannot be reached.
        """
        async with self._lock:
            if not self.current():
                await asyncio.to_thread(self._refresh)
            return self._line

    async def renew(self, refused: str) -> None:
        """Get a new token, unless another call has got one since `refused` was sent."""
        async with self._lock:
            if self._line == refused:
                await asyncio.to_thread(self._refresh)

    def _refresh(self) -> None:
        from google.auth import exceptions
        from google.auth.transport.requests import Request
        from google.oauth2 import id_token

        try:
            if self._credentials is None:
                fetch: Any = id_token.fetch_id_token_credentials
                self._credentials = fetch(self._audience, request=Request())
            self._credentials.refresh(Request())
        except exceptions.DefaultCredentialsError as error:
            raise _no_credentials(str(error)) from error
        except exceptions.TransportError as error:
            raise NetworkError("no ID token from Google", why=redact(str(error))) from error
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise AuthenticationFailed(
                "no ID token from Google",
                why=redact(str(error)),
                fix="check the credentials, and what the service account may do",
            ) from error
        token = str(self._credentials.token)
        remember([token])
        self._line = f"Authorization: Bearer {token}\r\n"
        expires_at = token_expiry(token) or time.time() + 2 * RENEW_BEFORE_S
        left_s = expires_at - time.time()
        self._good_until = expires_at - min(RENEW_BEFORE_S, left_s / 2)


def _no_credentials(why: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        "no Google credentials that give an ID token for the Task Runner",
        why=f"{redact(why)}\nuser credentials (`authorized_user`) cannot: they have no ID token"
        " for another service",
        fix="impersonate a service account: `gcloud auth application-default login"
        " --impersonate-service-account=SERVICE_ACCOUNT`, then set GOOGLE_APPLICATION_CREDENTIALS"
        " to the file it wrote; or give --tr-auth-jwt TOKEN (`none` sends none)",
    )


def choose_authorization(token: str | None, audience: str) -> Authorization:
    """No authorization for `none`, else the token; if none is given, ID tokens for `audience`."""
    if token is None or not token.strip():
        return GoogleIdToken(audience)
    if token.strip().lower() == "none":
        return NoAuthorization()
    return FixedToken(token.strip())


def token_expiry(token: str) -> float | None:
    """The expiry in a JWT, in seconds since 1970; None for other tokens. It is not verified."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        found = claims.get("exp")
    except (ValueError, AttributeError):
        return None
    return float(found) if isinstance(found, int | float) else None
