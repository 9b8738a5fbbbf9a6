"""Whether a webhook comes from our GitLab, by its signature or token. Pure, constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOLERANCE_S = 300
_KEY_BYTES = 24  # the least that Standard Webhooks allows; GitLab makes 32
_PREFIX = "whsec_"


class NotAuthentic(Exception):
    """The request is not from our GitLab. The text says why, without any secret."""


class SecretsInvalid(Exception):
    """There is no secret, or a signing token is malformed."""


@dataclass(frozen=True, repr=False)
class Secrets:
    """The secrets shared with GitLab; several of each, so that they can be rotated."""

    tokens: tuple[bytes, ...]
    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, text: str) -> Secrets:
        """From one setting with one or more secrets, separated by spaces.

        What begins with `whsec_` is a signing token, everything else a plain one.

        Raises:
            SecretsInvalid: there is none at all, or a signing token is not `whsec_` and base64.
        """
        words = text.split()
        keys = tuple(_key(word) for word in words if word.startswith(_PREFIX))
        plain = tuple(word.encode() for word in words if not word.startswith(_PREFIX))
        if not words:
            raise SecretsInvalid("there is neither a webhook token nor a signing token")
        return cls(plain, keys)


def _key(token: str) -> bytes:
    try:
        key = base64.b64decode(token.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _KEY_BYTES:
        raise SecretsInvalid(f"a signing token is not {_PREFIX} and base64 of {_KEY_BYTES} bytes")
    return key


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secrets: Secrets, *, now: float
) -> None:
    """Return if the request is authentic. `headers` have lower-case names; `now` is Unix time.

    Where a signing token is set, a signature that is there must be right, whatever the token;
    a request without one needs the plain token.

    Raises:
        NotAuthentic: it is not.
    """
    if secrets.keys and "webhook-signature" in headers:
        _verify_signature(headers, body, secrets, now)
        return
    if not secrets.tokens:
        raise NotAuthentic("the request has no webhook-signature")
    given = headers.get("x-gitlab-token", "").encode("utf-8", "surrogateescape")
    if not _any_equal(given, secrets.tokens):
        raise NotAuthentic("X-Gitlab-Token is missing or wrong")


def _verify_signature(
    headers: Mapping[str, str], body: bytes, secrets: Secrets, now: float
) -> None:
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= len("99999999999")):
        raise NotAuthentic("webhook-timestamp is missing or no Unix time")
    if abs(now - int(stamp)) > TOLERANCE_S:
        raise NotAuthentic(f"webhook-timestamp is more than {TOLERANCE_S} s away from our clock")
    number = headers.get("webhook-id", "")
    signed = f"{number}.{stamp}.".encode("utf-8", "surrogateescape") + body
    made = [hmac.digest(key, signed, hashlib.sha256) for key in secrets.keys]
    found = False
    for given in _signatures(headers["webhook-signature"]):
        found |= _any_equal(given, made)
    if not found:
        raise NotAuthentic("webhook-signature is wrong")


def _signatures(header: str) -> Iterator[bytes]:
    """Each `v1,BASE64` of a header; other versions and invalid base64 are skipped."""
    for value in header.split()[:16]:
        version, _, encoded = value.partition(",")
        if version == "v1":
            try:
                yield base64.b64decode(encoded.encode("ascii", "replace"), validate=True)
            except (binascii.Error, ValueError):
                continue


def _any_equal(given: bytes, wanted: tuple[bytes, ...] | list[bytes]) -> bool:
    """Whether `given` is one of `wanted`, in constant time: all are compared."""
    found = False
    for one in wanted:
        found |= hmac.compare_digest(given, one)
    return found
