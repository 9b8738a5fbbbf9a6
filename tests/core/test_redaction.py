"""The redactor: no secret leaves, and nothing else is touched."""

from __future__ import annotations

import base64
import re
import string
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workflows.core.redaction import MASK, Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

# No brackets: a secret may then not arise from what stands around a mask.
_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="[]")
SECRETS = st.text(_LETTERS, min_size=4, max_size=40).filter(lambda s: s.strip() and s not in MASK)
TEXTS = st.text(_LETTERS, max_size=30)
PRINTABLE = st.text(string.ascii_letters + string.digits + ":/@?=&.-_ '\"\n", max_size=80)


def basic(user: str, secret: str) -> str:
    """The value of a `Basic` header."""
    return base64.b64encode(f"{user}:{secret}".encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda s: s,
    "percent-encoded": lambda s: quote(s, safe=""),
    "percent-encoded, slashes kept": quote,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "basic, user oauth2": lambda s: basic("oauth2", s),
    "basic, user gitlab-ci-token": lambda s: basic("gitlab-ci-token", s),
    "basic, no user": lambda s: basic("", s),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=100)
@given(secret=SECRETS, before=TEXTS, after=TEXTS)
@example(secret="pass/word+=%", before="x", after="y")
@example(secret="abab", before="ab", after="ab")
def test_a_remembered_secret_never_survives(
    spelling: str, secret: str, before: str, after: str
) -> None:
    """A secret of four or more characters is gone from any text, in every usual spelling."""
    redactor = Redactor()
    redactor.remember([secret])
    written = SPELLINGS[spelling](secret)

    shown = redactor.redact(before + written + after)

    assert written not in shown
    assert MASK in shown


@settings(deadline=None, max_examples=100)
@given(secrets=st.lists(SECRETS, min_size=1, max_size=4), pieces=st.lists(TEXTS, max_size=4))
def test_of_several_secrets_none_survives(secrets: list[str], pieces: list[str]) -> None:
    """Secrets that contain or follow one another are all hidden."""
    redactor = Redactor()
    redactor.remember(secrets)

    shown = redactor.redact("".join(secrets) + "".join(pieces) + " ".join(reversed(secrets)))

    assert not [secret for secret in secrets if secret in shown]


@settings(deadline=None, max_examples=200)
@given(secrets=st.lists(SECRETS, max_size=3), text=st.one_of(PRINTABLE, st.text(max_size=60)))
@example(secrets=[], text="https://a@b@c@host/ Authorization: Bearer x private-token=y")
@example(secrets=["redacted"], text="redacted [redacted] acted")
@example(secrets=["acte", "[red"], text="acted [red] [redacted]")
def test_redacting_twice_is_redacting_once(secrets: list[str], text: str) -> None:
    """What was redacted is not changed by being redacted again."""
    redactor = Redactor()
    redactor.remember(secrets)
    once = redactor.redact(text)

    assert redactor.redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "cloning https://gitlab.example.com/acme/shop.git into /tmp/x",
        "see https://gitlab.example.com:8443/acme/shop/-/tree/feature/login?ref=main#L12",
        "mail ada@example.com, and git@gitlab.example.com:acme/shop.git over SSH",
        "at commit 8c1f5f2f7d1f0c3f0e2f5d8a1b2c3d4e5f607182 (8c1f5f2)",
        "ssh://gitlab.example.com/acme/shop.git answered in 0.2 s",
        "the token is missing; set GIT_TOKEN=… and try again",
        "keyboard=qwerty, monkey=1, https://h/x?page=2&per_page=100",
        "authorization failed; a private token is wanted",
        "skill sk-1 eyJustice AIzawa gh_x xoxo whsec glpat-",
        "",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Text without a credential, URLs and addresses included, comes back as it was."""
    assert Redactor().redact(text) == text


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=9), max_size=12))
def test_words_are_left_alone(words: list[str]) -> None:
    """Plain words are no secrets, however long the sentence."""
    sentence = " ".join(words)

    assert Redactor().redact(sentence) == sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://oauth2:hunter2@host/p.git", "https://[redacted]@host/p.git"),
        ("https://hunter2@host:8443/p.git", "https://[redacted]@host:8443/p.git"),
        ("https://me:hun@ter2@host/p.git", "https://[redacted]@host/p.git"),
        (
            "http://a:hunter2@h/p http://b:hunter2@h/q",
            "http://[redacted]@h/p http://[redacted]@h/q",
        ),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: Basic [redacted]"),
        ("{'PRIVATE-TOKEN': 'x1'}", "{'PRIVATE-TOKEN': '[redacted]'}"),
        ('{"authorization": "Bearer x1"}', '{"authorization": "Bearer [redacted]"}'),
        ("authorization=bearer hunter2hunter2", "authorization=bearer [redacted]"),
        ("PRIVATE-TOKEN: hunter2", "PRIVATE-TOKEN: [redacted]"),
        ("job-token=hunter2", "job-token=[redacted]"),
        ("Deploy-Token: hunter2, x", "Deploy-Token: [redacted], x"),
        (
            "GET /api?private_token=hunter2&page=2 and ?access_token=hunter2",
            "GET /api?private_token=[redacted]&page=2 and ?access_token=[redacted]",
        ),
        ("?job_token=hunter2&token=hunter2", "?job_token=[redacted]&token=[redacted]"),
        ("/maps?key=hunter2", "/maps?key=[redacted]"),
        *(
            (f"token {kind}-hunter2hunter2-x ends", "token [redacted] ends")
            for kind in (
                "glpat",
                "gloas",
                "gldt",
                "glrt",
                "glcbt",
                "glptt",
                "glft",
                "glagent",
                "glsoat",
                "glffct",
                "sk",
                "sk-ant-api03",
                "xoxb",
                "xoxp",
            )
        ),
        *(
            (f"token {kind}_{'hunter2' * 3} ends", "token [redacted] ends")
            for kind in ("ghp", "gho", "ghu", "ghs", "ghr", "github_pat", "whsec")
        ),
        (f"key AIza{'Sy-hunter2' * 4}.", "key [redacted]."),
        ("jwt eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl.", "jwt [redacted]."),
    ],
)
def test_well_known_credentials_are_hidden(text: str, shown: str) -> None:
    """Credentials are known by their look, and what stands around them stays readable."""
    assert Redactor().redact(text) == shown


PIECES = st.sampled_from(
    ["://", "a", ":", "@", "/", "1", " ", '"', "[redacted]", "-", "eyJ", "eyJaaaaaaaa", ".", "é"]
)
SIMPLE = (  # what the redactor would do if nobody were hostile
    (
        r"(?<=://)([^\s@/:'\"\[]+):(?!\d+(?:[/?#'\"\s),.;\\]|$))(?!\[redacted)[^\s'\"]+(?=@)",
        MASK,
    ),
    (
        r"(?<=://)([^\s@/:'\"\[]+):(?!\d+(?:[/?#'\"\s),.;\\]|$))(?!\[redacted)[^\s'\"@]+",
        rf"\1:{MASK}",
    ),
    (r"(?<=://)[^\s/?#'\"]+@", MASK + "@"),
    (r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", MASK),
)


@settings(deadline=None, max_examples=300)
@given(text=st.lists(PIECES, max_size=14).map("".join))
@example("://a:://b:c@d@e:f")
@example("-eyJ-eyJaaaaaaaa.eyJaaaaaaaa.")
def test_linear_time_changes_no_result(text: str) -> None:
    """The patterns as one would write them say the same, in quadratic time."""
    expected = text
    for pattern, replacement in SIMPLE:
        expected = re.sub(pattern, replacement, expected)

    assert Redactor().redact(text) == expected


@pytest.mark.parametrize(
    "unit", ["://a:b", "://a", "://a:1/", "-eyJ", "eyJaaaaaaaa-", "eyJaaaaaaaa.", "@", "a:b@"]
)
def test_a_hostile_megabyte_is_redacted(unit: str) -> None:
    """In quadratic time it would take most of an hour."""
    shown = Redactor().redact(unit * (1_000_000 // len(unit)) + " glpat-aaaaaaaaaaaaaaaaaaaa")

    assert shown.endswith(" " + MASK)


def test_lines_of_a_secret_are_hidden_one_by_one() -> None:
    """Each long line of a private key is a secret of its own."""
    redactor = Redactor()
    redactor.remember(["-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n"])

    assert redactor.redact("said kqhkiG9w0BAQEF only") == "said [redacted] only"


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_a_secret_of_less_than_four_characters_shreds_nothing(secret: str) -> None:
    """A very short secret is not hidden: ordinary words would be."""
    redactor = Redactor()
    redactor.remember([secret])

    assert redactor.redact("abc is the alphabet") == "abc is the alphabet"


def test_threads_may_remember_while_others_redact() -> None:
    """Whatever was remembered before the call is hidden, while other threads teach new secrets."""
    redactor = Redactor()
    leaks: list[str] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for count in range(10):
            secret = f"secret-{number}-{count}-x"
            redactor.remember([secret])
            if "secret-" in redactor.redact(f"a {secret} b"):
                leaks.append(secret)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert leaks == []
    assert "secret-" not in redactor.redact(" ".join(f"secret-{n}-9-x" for n in range(4)))


def test_a_secret_of_the_environment_need_not_be_utf8() -> None:
    """A secret with bytes that are no text is hidden as well, also percent-encoded."""
    redactor = Redactor()
    redactor.remember([b"tok-\xff\xfe".decode(errors="surrogateescape")])

    assert redactor.redact("a tok-%FF%FE b tok-\udcff\udcfe c") == "a [redacted] b [redacted] c"
