"""How much one issue and one person may start."""

from __future__ import annotations

from workflows.trigger.limits import Limits, MemoryStore, decide, note
from workflows.trigger.webhook import Wanted

LIMITS = Limits(per_issue=2, per_user=3)


def wanted(key: str, issue: str = "7#1", user: str = "5") -> Wanted:
    return Wanted("resolve_issue", {}, "label", key, issue, user)


def test_an_event_is_let_through_once() -> None:
    store = MemoryStore()
    assert decide(wanted("a"), store, LIMITS, now=0) is None
    assert decide(wanted("a"), store, LIMITS, now=0) is None, "it was not started yet"
    note(wanted("a"), store, now=0)

    assert "before" in str(decide(wanted("a"), store, LIMITS, now=1))


def test_an_issue_and_a_user_have_limits_for_an_hour() -> None:
    store = MemoryStore()
    for key, issue in (("a", "7#1"), ("b", "7#1"), ("c", "7#2")):
        note(wanted(key, issue), store, now=0)

    assert "issue 7#1" in str(decide(wanted("d", user="6"), store, LIMITS, now=10))
    assert "user 5" in str(decide(wanted("d", "7#3"), store, LIMITS, now=10))
    assert decide(wanted("d", "7#3", "6"), store, LIMITS, now=10) is None
    assert decide(wanted("d"), store, LIMITS, now=3_601) is None


def test_the_store_forgets_the_oldest() -> None:
    store = MemoryStore(most_keys=3)
    for number in range(10):
        store.add(f"e{number}", (f"k{number}",), now=number)

    assert not store.seen("e0")
    assert store.seen("e9")
    assert store.count("k0", since=0) == 0
    assert store.count("k9", since=0) == 1
