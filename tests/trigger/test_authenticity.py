"""Signatures and tokens: only what our GitLab sends gets in."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trigger.support import briefly
from workflows.local.gitlab_server.state.outbox import signature
from workflows.trigger.authenticity import NotAuthentic, Secrets, SecretsInvalid, verify_webhook

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD_KEY = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
BODY = b'{"object_kind": "issue"}'
NOW = 1_763_784_000.0


def signed(body: bytes = BODY, key: str = KEY, at: float = NOW) -> dict[str, str]:
    stamp = str(int(at))
    value = signature(key, "id-1", stamp, body)
    return {"webhook-id": "id-1", "webhook-timestamp": stamp, "webhook-signature": value}


def authentic(headers: dict[str, str], secrets: str, body: bytes = BODY) -> bool:
    try:
        verify_webhook(headers, body, Secrets.of(secrets), now=NOW)
    except NotAuthentic:
        return False
    return True


def test_a_right_signature_gets_in_and_any_change_does_not() -> None:
    good = signed()

    assert authentic(good, KEY)
    assert not authentic(good, KEY, BODY + b" ")
    assert not authentic(good | {"webhook-id": "id-2"}, KEY)
    assert not authentic(good | {"webhook-timestamp": str(int(NOW) + 1)}, KEY)
    assert not authentic(good, OLD_KEY)
    assert not authentic({}, KEY)


def test_one_right_value_among_several_is_enough() -> None:
    good = signed()
    value = good["webhook-signature"]
    others = "v1a,AAAA v1,not-base64! v1,AAAA"

    assert authentic(good | {"webhook-signature": f"{others} {value}"}, KEY)
    assert not authentic(good | {"webhook-signature": others}, KEY)
    assert not authentic(good | {"webhook-signature": value.removeprefix("v1,")}, KEY)


@pytest.mark.parametrize(("age_s", "fine"), [(0, True), (299, True), (-299, True), (301, False)])
def test_a_signature_holds_five_minutes(age_s: int, fine: bool) -> None:  # noqa: FBT001
    assert authentic(signed(at=NOW - age_s), KEY) is fine


@pytest.mark.parametrize("stamp", ["", "-1", "1e9", "٣", "9" * 400, "1763784000.0"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    assert not authentic(signed() | {"webhook-timestamp": stamp}, KEY)


def test_a_plain_token_gets_in() -> None:
    assert authentic({"x-gitlab-token": "s3cret"}, "s3cret")
    assert not authentic({"x-gitlab-token": "s3cret "}, "s3cret")
    assert not authentic({"x-gitlab-token": ""}, "s3cret")
    assert not authentic({}, "s3cret")


def test_two_secrets_at_once_let_one_be_changed() -> None:
    assert authentic({"x-gitlab-token": "old"}, "new old")
    assert authentic(signed(key=OLD_KEY), f"{KEY} {OLD_KEY}")


def test_a_wrong_signature_is_not_made_good_by_a_token() -> None:
    wrong = signed(key=OLD_KEY) | {"x-gitlab-token": "s3cret"}

    assert not authentic(wrong, f"{KEY} s3cret")
    assert authentic({"x-gitlab-token": "s3cret"}, f"{KEY} s3cret")


@pytest.mark.parametrize("text", ["", "  ", "whsec_", "whsec_AAAA", "whsec_not base64"])
def test_secrets_that_protect_nothing_are_refused(text: str) -> None:
    with pytest.raises(SecretsInvalid) as caught:
        Secrets.of(text)
    assert "AAAA" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    assert "s3cret" not in repr(Secrets.of("s3cret"))


_HEADERS = st.dictionaries(
    st.sampled_from(
        ["webhook-id", "webhook-timestamp", "webhook-signature", "x-gitlab-token", "x"]
    ),
    st.text(max_size=60) | st.text("v1,= AZ09+/", max_size=60),
)


@briefly
@given(_HEADERS, st.binary(max_size=50))
def test_nothing_made_up_gets_in(headers: dict[str, str], body: bytes) -> None:
    assert not authentic(headers, f"{KEY} a-token-nobody-guesses", body)
