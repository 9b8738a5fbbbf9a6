"""Which statuses may pass, and how long a Retry-After header asks to wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core.http_status import http_date_s, is_transient, retry_after_s

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_may_pass(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 422, 426, 428, 431, 451])
def test_these_will_not(status: int) -> None:
    assert not is_transient(status)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("3600", 60.0),
        ("-5", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Wed, 21 Oct 2015 07:28:09 GMT", 9.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 09:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 09:28:09 +0200", 9.0),
        ("Wed, 21 Oct 2015 07:28:09 -0000", 9.0),
    ],
)
def test_a_number_and_a_date_are_a_wait(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header, now=NOW, longest_s=60) == wait_s


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), st.floats().map(str), st.integers().map(str)))
def test_whatever_the_header_says_the_wait_is_bounded(header: str) -> None:
    wait_s = retry_after_s(header, now=NOW, longest_s=30)

    assert wait_s is None or 0 <= wait_s <= 30


def test_a_date_is_seconds_since_1970() -> None:
    assert http_date_s("Wed, 21 Oct 2015 07:28:00 GMT") == NOW
    assert http_date_s("not a date") is None
    assert http_date_s(None) is None
