"""One redactor in front of everything that is logged, printed, published or stored.

It knows two things: the secret values this process was given (`remember`), and what well-known
tokens look like. Pure text to text; nothing is looked up.
"""

from __future__ import annotations

import base64
import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "[redacted]"
_LINE = 9  # a line of a key file that is long enough to be one
_SHORTEST = 4  # a shorter "secret" would be found in ordinary words
_TELLING = 8  # a shorter one is found in innocent files as well

# https://user: and whatever follows the colon and is no port
_USER_AND_COLON = r"(?<=://)([^\s@/:'\"\[]+):(?!\d+(?:[/?#'\"\s),.;\\]|$))(?!\[redacted)"
_USER = re.compile(_USER_AND_COLON)
_UNBROKEN = re.compile(r"[^\s'\"]+")
_PATTERNS = (
    # https://user:secret without a host after it; one before a host is hidden already
    (re.compile(_USER_AND_COLON + r"[^\s'\"@]+"), rf"\1:{MASK}"),
    # https://user:secret@host and https://token@host: the host stays, the rest goes
    (re.compile(r"(?<=://)[^\s/?#'\"]+@"), MASK + "@"),
    (
        re.compile(
            r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token)\s+)[^\s'\",]+"
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(r"(?i)\b((?:private|job|deploy)-token['\"]?\s*[:=]\s*['\"]?)[^\s'\",]+"),
        rf"\1{MASK}",
    ),
    (
        re.compile(r"(?i)([?&](?:private_token|access_token|job_token|token|key)=)[^\s&'\"]+"),
        rf"\1{MASK}",
    ),
    # GitLab, GitHub, model providers, Slack, Google, signing secrets
    (re.compile(r"\bgl(?:pat|oas|dt|rt|cbt|ptt|ft|agent|soat|ffct)-[\w.-]{10,}"), MASK),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_)\w{20,}"), MASK),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), MASK),
    (re.compile(r"\bxox[abeoprs]-[\w-]{10,}"), MASK),
    (re.compile(r"\bAIza[\w-]{30,}"), MASK),
    (re.compile(r"\bwhsec_[\w+/=]{16,}"), MASK),
)
# a JSON web token; only the first eyJ of a word can begin one, so `-eyJ-eyJ…` is scanned once
_WEB_TOKEN = re.compile(r"(?<![\w-])(?>([\w-]*?)\beyJ)[\w-]{8,}+\.[\w-]{8,}+\.[\w-]*")


class Redactor:
    """Replaces secrets in text by `[redacted]`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def remember(self, secrets: Iterable[str]) -> None:
        """From now on hide these values, also percent-encoded and in base64 of `user:value`."""
        with self._lock:
            for secret in secrets:
                self._values.update(v for v in _spellings(secret) if len(v) >= _SHORTEST)
            # the mask is matched too, so that a secret that is a part of it does not lengthen it
            longest_first = sorted(self._values | {MASK}, key=len, reverse=True)
            if self._values:
                self._known = re.compile("|".join(re.escape(v) for v in longest_first))

    def redact(self, text: str) -> str:
        """`text` without secrets. Idempotent, and in linear time: anybody may have written it."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if "://" in text and "@" in text:
            text = _UNBROKEN.sub(_without_userinfo, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return _WEB_TOKEN.sub(rf"\1{MASK}", text) if "eyJ" in text else text

    def holds_secret(self, text: str) -> bool:
        """Whether one of the remembered values is in `text`; very short ones do not count."""
        found = self._known.findall(text) if self._known is not None else []
        return any(len(value) >= _TELLING and value != MASK for value in found)


def _without_userinfo(found: re.Match[str]) -> str:
    """https://user:secret@host with a / in the secret: what is between :// and the last @ goes.

    One pattern for it would look for the @ anew from each :// on.
    """
    word = found[0]
    at = word.rfind("@")
    user = _USER.search(word) if at > 0 else None
    if user is None or user.end() >= at:
        return word
    return word[: user.start()] + MASK + word[at:]


def _spellings(secret: str) -> set[str]:
    """A value, line by line where it has lines, and the ways it is commonly written."""
    errors = "surrogateescape"  # bytes of the environment that are not UTF-8
    spellings = {secret, quote(secret, safe="", errors=errors), quote(secret, errors=errors)}
    spellings.update(line.strip() for line in secret.splitlines() if len(line.strip()) >= _LINE)
    for user in ("", "oauth2:", "gitlab-ci-token:", ":"):
        spellings.add(base64.b64encode((user + secret).encode(errors=errors)).decode())
    return spellings


_redactor = Redactor()
remember = _redactor.remember
redact = _redactor.redact
holds_secret = _redactor.holds_secret


def safely_quoted(text: str, limit: int = 80) -> str:
    """`text` for messages: without secrets, cut after `limit` characters, quoted and escaped."""
    hidden = redact(text)
    hidden = re.sub(r"((?>^[^/@]*:(?!//))|//)(?:(?<=//)[^/]*|(?<!//).*)@", r"\1[redacted]@", hidden)
    return repr(hidden if len(hidden) <= limit else hidden[: limit - 1] + "…")
