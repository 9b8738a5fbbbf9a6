"""From a webhook to a message, or to the reason why not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trigger.support import briefly
from workflows.trigger.webhook import Ignored, TriggerRules, Wanted, read_webhook

RULES = TriggerRules(bot_id=99, bot_username="workflows-bot")
Json = dict[str, Any]


def label(title: str) -> Json:
    return {"id": 1, "title": title}


def issue_event(**changes: Any) -> Json:
    return {
        "object_kind": "issue",
        "event_type": "issue",
        "user": {"id": 5, "username": "dave"},
        "project": {"id": 7},
        "object_attributes": {
            "id": 1001,
            "iid": 3,
            "state": "opened",
            "action": "update",
            "updated_at": "2026-11-22T04:00:00.125Z",
            "created_at": "2026-11-20T04:00:00.125Z",
        },
        "changes": changes,
    }


def labelled(before: list[str], after: list[str]) -> Json:
    return issue_event(labels={"previous": [*map(label, before)], "current": [*map(label, after)]})


def assigned(before: list[int], after: list[int]) -> Json:
    people = {"previous": [{"id": n} for n in before], "current": [{"id": n} for n in after]}
    return issue_event(assignees=people)


def note_event(text: str, **more: Any) -> Json:
    stamp = "2026-11-22T04:00:00.125Z"
    return {
        "object_kind": "note",
        "user": {"id": 5},
        "project": {"id": 7},
        "object_attributes": {
            "id": 55,
            "note": text,
            "noteable_type": "Issue",
            "action": "create",
            "system": False,
            "created_at": stamp,
            "updated_at": stamp,
        }
        | more,
        "issue": {"iid": 3, "state": "opened"},
    }


def review_event(text: str, **more: Any) -> Json:
    event = note_event(text, noteable_type="MergeRequest")
    del event["issue"]
    event["merge_request"] = {
        "iid": 12,
        "state": "opened",
        "author_id": 99,
        "source_branch": "3-the-total",
        "source_project_id": 7,
        "target_project_id": 7,
    } | more
    return event


def outcome(event: Any, headers: dict[str, str] | None = None) -> Wanted | Ignored:
    return read_webhook(headers or {}, json.dumps(event).encode(), RULES)


def wanted(event: Any) -> Wanted:
    found = outcome(event)
    assert isinstance(found, Wanted), found
    return found


def because(event: Any) -> str:
    found = outcome(event)
    assert isinstance(found, Ignored), found
    return found.because


def test_a_label_that_was_added_asks_for_the_issue() -> None:
    found = wanted(labelled(["bug"], ["bug", "Workflows::Resolve"]))

    assert found.workflow == "resolve_issue"
    assert found.trigger == "label"
    assert found.parameters == {
        "project": "7",
        "issue_iid": 3,
        "actor_id": 5,
        "asked_at": "2026-11-22T04:00:00.125Z",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["workflows::resolve"], ["workflows::resolve", "bug"]),
        (["workflows::resolve"], []),
        ([], ["workflows"]),
        ([], []),
    ],
)
def test_any_other_change_of_labels_asks_for_nothing(before: list[str], after: list[str]) -> None:
    assert "neither the label" in because(labelled(before, after))


def test_the_bot_as_assignee_asks_for_the_issue() -> None:
    assert wanted(assigned([5], [5, 99])).trigger == "assignment"
    assert "neither" in because(assigned([99], [99, 5]))
    assert "neither" in because(assigned([99], []))


def test_a_new_issue_may_have_the_label_or_the_bot_from_the_start() -> None:
    event = issue_event()
    event["object_attributes"]["action"] = "open"

    assert wanted(event | {"labels": [label("workflows::resolve")]}).trigger == "label"
    assert wanted(event | {"assignees": [{"id": 99}]}).trigger == "assignment"
    assert "neither" in because(event)


@pytest.mark.parametrize(
    "text",
    ["/workflows resolve", "Please.\n  /Workflows Resolve  \r\nThanks", "a\n/workflows resolve"],
)
def test_a_command_on_its_own_line_asks_for_the_issue(text: str) -> None:
    assert wanted(note_event(text)).trigger == "comment"


@pytest.mark.parametrize(
    "text",
    [
        "say /workflows resolve",
        "/workflows resolve now",
        "> /workflows resolve",
        "```\n/workflows resolve\n```",
        "~~~text\n/workflows resolve",
        "@workflows-bot please",
        "",
    ],
)
def test_anything_else_in_a_comment_asks_for_nothing(text: str) -> None:
    assert isinstance(outcome(note_event(text)), Ignored)


def test_a_command_that_is_not_known_is_told_from_chatter() -> None:
    assert "there is: /workflows resolve" in because(note_event("/workflows resolv"))
    assert because(note_event("nice")) == "the comment asks for nothing"


def test_edited_and_system_comments_ask_for_nothing() -> None:
    old = note_event("/workflows resolve", updated_at="2026-11-22T05:00:00.000Z")
    del old["object_attributes"]["action"]

    assert "edited" in because(note_event("/workflows resolve", action="update"))
    assert "edited" in because(old)
    assert "system" in because(note_event("/workflows resolve", system=True))


@pytest.mark.parametrize(
    "text",
    [
        "@workflows-bot please rename it",
        "Hello @Workflows-Bot.",
        "(@workflows-bot)",
        "/workflows resolve",
        "`one` @workflows-bot `two`",
        "a lone ` @workflows-bot",
        "x ``` @workflows-bot ``",
    ],
)
def test_a_mention_in_a_review_of_the_bots_work_asks_for_its_issue(text: str) -> None:
    found = wanted(review_event(text))

    assert (found.trigger, found.parameters["issue_iid"]) == ("review", 3)


@pytest.mark.parametrize(
    "text",
    [
        "@workflows-bot2",
        "@workflows-bot-x",
        "me@workflows-bot",
        "`@workflows-bot`",
        "``a ` @workflows-bot``",
        "> @workflows-bot x",
    ],
)
def test_what_is_no_mention_is_none(text: str) -> None:
    assert isinstance(outcome(review_event(text)), Ignored)


@pytest.mark.parametrize("hostile", ["`" * 900_000, "x` `` " * 150_000, "`x" * 450_001])
def test_a_comment_of_backticks_holds_nobody_up(hostile: str) -> None:
    """As long as GitLab lets a comment be; anybody may write one. Quadratic, it took hours."""
    assert wanted(review_event(f"@workflows-bot {hostile}")).trigger == "review"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"author_id": 5}, "not the bot's"),
        ({"state": "merged"}, "not open"),
        ({"source_branch": "feature"}, "names no issue"),
        ({"source_branch": None}, "names no issue"),
        ({"source_project_id": 8}, "fork"),
    ],
)
def test_a_review_of_other_work_asks_for_nothing(facts: Json, why: str) -> None:
    assert why in because(review_event("@workflows-bot", **facts))


def test_the_bot_itself_and_nobody_ask_for_nothing() -> None:
    event = labelled([], ["workflows::resolve"])

    assert because(event | {"user": {"id": 99, "username": "x"}}) == "the bot itself did it"
    for user in ({}, {"id": "5"}, {"id": True}, {"id": -1}, None):
        assert "no numeric user" in because(event | {"user": user})


def test_a_name_like_the_bots_is_nothing_special() -> None:
    """Who it is, the number tells (and the flow asks GitLab)."""
    event = labelled([], ["workflows::resolve"])

    assert wanted(event | {"user": {"id": 5, "username": "workflows-bot"}}).user == "5"


def test_closed_issues_and_other_events_ask_for_nothing() -> None:
    closed = labelled([], ["workflows::resolve"])
    closed["object_attributes"]["state"] = "closed"
    reopened = copy.deepcopy(closed)
    reopened["object_attributes"] |= {"state": "opened", "action": "reopen"}

    assert because(closed) == "the issue is not open"
    assert "reopen" in because(reopened)
    assert because({"object_kind": "push"}) == "push events start nothing"
    assert because({"object_kind": "<b>"}) == "unknown events start nothing"


def test_confidential_issues_are_treated_alike_and_no_text_travels() -> None:
    event = labelled([], ["workflows::resolve"]) | {"event_type": "confidential_issue"}
    event["object_attributes"] |= {"title": "s3cret", "description": "s3cret"}

    assert "s3cret" not in repr(wanted(event))


def test_the_older_way_to_write_times_is_read() -> None:
    event = labelled([], ["workflows::resolve"])
    event["object_attributes"]["updated_at"] = "2026-11-22 04:00:00 UTC"
    note = note_event("/workflows resolve")
    note["object_attributes"]["created_at"] = "2026-11-22 04:00:00 UTC"
    note["object_attributes"]["updated_at"] = "2026-11-22 04:00:00 UTC"

    assert wanted(event).parameters["asked_at"] == "2026-11-22T04:00:00.000Z"
    assert wanted(note).parameters["asked_at"] == "2026-11-22T04:00:00.999Z", "not before itself"


def test_the_key_of_an_event_is_gitlabs_own_or_made_of_what_it_is_about() -> None:
    event = labelled([], ["workflows::resolve"])

    def key(**headers: str) -> str:
        found = outcome(event, {name.replace("_", "-"): text for name, text in headers.items()})
        assert isinstance(found, Wanted)
        return found.dedupe_key

    assert key(webhook_id="a", idempotency_key="b") == "gitlab:a"
    assert key(idempotency_key="b") == "gitlab:b"
    assert key(idempotency_key="b c\x00") != key(idempotency_key="b")
    assert len(key(idempotency_key="x" * 9_000)) < 100
    assert key() == key()
    before = key()
    event["object_attributes"]["updated_at"] = "2026-11-22T04:00:01.000Z"
    assert key() != before


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_EVENTS = [
    labelled([], ["workflows::resolve"]),
    assigned([], [99]),
    note_event("/workflows resolve"),
    review_event("@workflows-bot"),
]


@briefly
@given(st.binary(max_size=100))
def test_any_body_is_read(body: bytes) -> None:
    assert isinstance(read_webhook({}, body, RULES), Ignored)


@briefly
@given(st.sampled_from(_EVENTS), st.data())
def test_any_value_anywhere_is_read(event: Json, data: st.DataObject) -> None:
    event = copy.deepcopy(event)
    place: Any = event
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0]))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(_JSON)
            break
        place = inner

    assert isinstance(outcome(event), Wanted | Ignored)


@briefly
@given(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)))
def test_labels_are_compared_as_sets(before: set[int], after: set[int]) -> None:
    names = ["workflows::resolve", "WORKFLOWS::RESOLVE", "a", "b", "workflows"]
    event = labelled([names[n] for n in before], [names[n] for n in after])
    has_come = bool(after & {0, 1}) and not before & {0, 1}

    assert isinstance(outcome(event), Wanted) is has_come
