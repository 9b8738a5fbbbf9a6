"""Checks callers: a bearer token equal to a secret, or a JWT signed by the secret (HS256).

Nothing is fetched. Google's ID tokens need keys that are fetched, so they are not checked here: let
Cloud Run's IAM check them before the request arrives.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

_PARTS = 3
_LEEWAY_S = 60  # how far clocks may be apart


class TokenCheck:
    """Checks `Authorization` headers against one secret, in constant time.

    A JWT must be signed by the secret with HS256 and carry `exp`; with `audience` its `aud` must
    be, or contain, that address.
    """

    def __init__(self, secret: str, *, audience: str = "") -> None:
        if not secret:
            raise ValueError("an empty secret would let anybody in")
        self._secret = secret.encode()
        self._audience = audience.rstrip("/")

    def problem(self, authorization: bytes) -> str:
        """Why the header is refused; empty if it is accepted."""
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            return "a bearer token is needed: Authorization: Bearer TOKEN"
        if hmac.compare_digest(token, self._secret):
            return ""
        parts = token.split(b".")
        if len(parts) != _PARTS:
            return "the token is not the right one"
        signature = hmac.new(self._secret, b".".join(parts[:2]), hashlib.sha256).digest()
        given = _decoded(parts[2])
        header, claims = _object(parts[0]), _object(parts[1])
        if given is None or header.get("alg") != "HS256":
            return "the token is not the right one"
        if not hmac.compare_digest(given, signature):
            return "the token is not the right one"
        return self._claims_problem(claims)

    def _claims_problem(self, claims: dict[str, Any]) -> str:
        now = time.time()
        expires, starts = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expires, int | float) or not isinstance(starts, int | float):
            return "the token has no expiry (exp)"
        if expires + _LEEWAY_S < now:
            return "the token has expired"
        if starts - _LEEWAY_S > now:
            return "the token is not valid yet"
        audience = claims.get("aud", "")
        named = audience if isinstance(audience, list) else [audience]
        if self._audience and self._audience not in {str(one).rstrip("/") for one in named}:
            return "the token is for another audience"
        return ""


def _decoded(part: bytes) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return None


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part) or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
