"""How much one issue and one person may start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from workflows.trigger.limits import (
    MemoryStore,
    StartLimits,
    count_start,
    give_back_start,
    note_start,
)
from workflows.trigger.webhook import Wanted

LIMITS = StartLimits(per_issue=2, per_user=3)


def wanted(key: str, issue: str = "7#1", user: str = "5") -> Wanted:
    return Wanted("resolve_issue", {}, "label", key, issue, user)


def test_an_event_is_let_through_once() -> None:
    store = MemoryStore()
    assert count_start(wanted("a"), store, LIMITS, now=0) is None
    assert count_start(wanted("a"), store, LIMITS, now=0) is None, "it was not started yet"
    note_start(wanted("a"), store)

    assert "before" in str(count_start(wanted("a"), store, LIMITS, now=1))


def test_an_issue_and_a_user_have_limits_for_an_hour() -> None:
    store = MemoryStore()
    for key, issue in (("a", "7#1"), ("b", "7#1"), ("c", "7#2")):
        assert count_start(wanted(key, issue), store, LIMITS, now=0) is None

    assert "issue 7#1" in str(count_start(wanted("d", user="6"), store, LIMITS, now=10))
    assert "user 5" in str(count_start(wanted("d", "7#3"), store, LIMITS, now=10))
    assert count_start(wanted("d", "7#3", "6"), store, LIMITS, now=10) is None
    assert count_start(wanted("d"), store, LIMITS, now=3_601) is None


def test_what_was_not_started_does_not_count() -> None:
    store = MemoryStore()
    for number in range(10):
        assert count_start(wanted("a"), store, LIMITS, now=number) is None
        give_back_start(wanted("a"), store, now=number)


def test_what_is_refused_for_its_user_does_not_count_for_its_issue() -> None:
    store = MemoryStore()
    for issue in ("7#1", "7#2", "7#3"):
        assert count_start(wanted(issue, issue), store, LIMITS, now=0) is None
    for number in range(5):
        assert "user 5" in str(count_start(wanted(f"d{number}", "7#4"), store, LIMITS, now=1))

    assert count_start(wanted("e", "7#4", "6"), store, LIMITS, now=2) is None


def test_many_at_once_are_not_more_than_the_limit() -> None:
    store = MemoryStore()
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(count_start, wanted(str(n)), store, LIMITS, now=0) for n in range(200)]

    assert [one.result() for one in asked].count(None) == LIMITS.per_issue


def test_the_store_forgets_the_oldest() -> None:
    store = MemoryStore(most_keys=3)
    for number in range(10):
        store.take({f"k{number}": 1}, since=0, now=number)
        store.note(f"e{number}")

    assert not store.seen("e0")
    assert store.seen("e9")
    assert store.take({"k0": 1}, since=0, now=10) is None
    assert store.take({"k9": 1}, since=0, now=10) == "k9"
