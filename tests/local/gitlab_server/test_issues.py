"""Issues, their comments, labels and emoji."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gitlab
import pytest

from workflows.local.gitlab_server.actions import comments

if TYPE_CHECKING:
    from tests.local.gitlab_server.support import Shop


def test_an_issue_has_what_clients_read(shop: Shop) -> None:
    """The fields of the reference, with sorted labels and tasks counted."""
    made = shop.post(
        "./issues", title="Bug", description="- [x] one\n- [ ] two", labels="zeta,Alpha"
    )

    assert (made["iid"], made["state"], made["type"]) == (1, "opened", "ISSUE")
    assert made["labels"] == ["Alpha", "zeta"]
    assert made["task_completion_status"] == {"count": 2, "completed_count": 1}
    assert made["references"]["full"] == f"{shop.project.path}#1"
    assert made["web_url"] == f"{shop.lab.url}/{shop.project.path}/-/issues/1"
    assert (made["closed_at"], made["milestone"], made["assignee"]) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({}, 400, {"error": "title is missing"}),
        ({"title": " "}, 400, {"message": {"title": ["can't be blank"]}}),
        (
            {"title": "x" * 256},
            400,
            {"message": {"title": ["is too long (maximum is 255 characters)"]}},
        ),
        (
            {"title": "x", "description": "x" * 1_048_577},
            400,
            {"message": {"description": ["is too long (maximum is 1048576 characters)"]}},
        ),
        ({"title": {"a": 1}}, 400, {"error": "title is invalid"}),
        ({"title": "x", "confidential": "perhaps"}, 400, {"error": "confidential is invalid"}),
        (
            {"title": "x", "issue_type": "y"},
            400,
            {"error": "issue_type does not have a valid value"},
        ),
    ],
)
def test_a_bad_issue_is_refused(shop: Shop, body: Any, status: int, answer: Any) -> None:
    """In the shape that GitLab has for each kind of mistake."""
    found = shop.ask("POST", "./issues", json=body)

    assert (found.status_code, found.json()) == (status, answer)
    assert not shop.project.issues


def test_labels_are_added_and_removed_beside_each_other(shop: Shop) -> None:
    """`labels` overwrites, add_labels and remove_labels do not; both leave events."""
    shop.post("./issues", title="Bug", labels=["a", "b"])

    first = shop.put("./issues/1", add_labels="c,d", remove_labels="a")
    second = shop.put("./issues/1", labels="")

    assert (first["labels"], second["labels"]) == (["b", "c", "d"], [])
    events = shop.get("./issues/1/resource_label_events")
    assert [(e["action"], e["label"]["name"]) for e in events][:3] == [
        ("remove", "a"),
        ("add", "c"),
        ("add", "d"),
    ]


def test_an_issue_is_closed_and_opened_again(shop: Shop) -> None:
    """With who and when."""
    shop.post("./issues", title="Bug")

    closed = shop.put("./issues/1", state_event="close")
    opened = shop.put("./issues/1", state_event="reopen")

    assert (closed["state"], closed["closed_by"]["username"]) == ("closed", "mona")
    assert closed["closed_at"]
    assert (opened["state"], opened["closed_at"]) == ("opened", None)
    events = shop.get("./issues/1/resource_state_events")
    assert [event["state"] for event in events] == ["closed", "reopened"]


def test_assignees_are_one_and_zero_clears(shop: Shop) -> None:
    """As on the free tier."""
    people = [shop.user("dave").id, shop.user("rita").id]
    made = shop.post("./issues", title="Bug", assignee_ids=people)
    cleared = shop.put("./issues/1", assignee_ids=[0])

    assert [person["username"] for person in made["assignees"]] == ["dave"]
    assert (cleared["assignees"], cleared["assignee"]) == ([], None)


def test_an_update_of_nothing_is_refused(shop: Shop) -> None:
    """400 that lists what there is."""
    shop.post("./issues", title="Bug")

    answer = shop.ask("PUT", "./issues/1", json={"nonsense": 1})

    assert answer.status_code == 400
    assert answer.json()["error"].endswith("at least one parameter must be provided")


@pytest.mark.parametrize(
    ("by", "status"), [("paul", 200), ("rita", 200), ("gus", 403), ("stranger", 404)]
)
def test_who_may_change_an_issue(shop: Shop, by: str, status: int) -> None:
    """Planners and above, and its author."""
    shop.post("./issues", title="Bug")
    shop.post("./issues", "gus", title="Mine")

    assert shop.ask("PUT", "./issues/1", by, json={"title": "New"}).status_code == status
    assert shop.ask("PUT", "./issues/2", "gus", json={"title": "New"}).status_code == 200


def test_who_may_delete_an_issue(shop: Shop) -> None:
    """Owners."""
    shop.post("./issues", title="Bug")

    assert shop.ask("DELETE", "./issues/1", "mona").status_code == 403
    assert shop.ask("DELETE", "./issues/1", "owner").status_code == 204
    assert shop.ask("GET", "./issues/1").json() == {"message": "404 Not found"}


def test_confidential_issues_are_for_planners_and_above(shop: Shop) -> None:
    """And for their author and assignee."""
    shop.post("./issues", "gus", title="Mine", confidential=True)
    shop.post("./issues", "dave", title="Secret", confidential=True)

    assert [one["iid"] for one in shop.get("./issues", "gus")] == [1]
    assert shop.ask("GET", "./issues/2", "gus").status_code == 404
    assert len(shop.get("./issues", "paul")) == 2


@pytest.mark.parametrize(
    ("query", "iids"),
    [
        ("state=opened", [3, 1]),
        ("state=closed", [2]),
        ("labels=a", [2, 1]),
        ("labels=a,b", [1]),
        ("labels=None", [3]),
        ("labels=Any", [2, 1]),
        ("not[labels]=b", [3, 2]),
        ("iids[]=1&iids[]=3", [3, 1]),
        ("search=needle", [2]),
        ("author_username=gus", [3]),
        ("assignee_id=None", [3, 2, 1]),
        ("order_by=created_at&sort=asc", [1, 2, 3]),
        ("created_after=2999-01-01", []),
        ("updated_before=2999-01-01T00:00:00Z&per_page=1", [3]),
        ("confidential=true", []),
    ],
)
def test_lists_are_filtered(shop: Shop, query: str, iids: list[int]) -> None:
    """Every filter that the reference names."""
    shop.post("./issues", title="One", labels="a,b")
    shop.post("./issues", title="Two", labels="a", description="a needle")
    shop.post("./issues", "gus", title="Three")
    shop.put("./issues/2", state_event="close")

    assert [one["iid"] for one in shop.get(f"./issues?{query}")] == iids


@pytest.mark.parametrize("query", ["state=odd", "author_id=x", "iids[]=x", "created_after=noon"])
def test_a_filter_that_means_nothing_is_400(shop: Shop, query: str) -> None:
    """Rather than ignored."""
    assert shop.ask("GET", f"./issues?{query}").status_code == 400


# --- notes -----------------------------------------------------------------------------------


def test_a_comment_is_written_changed_and_deleted(shop: Shop) -> None:
    """By another client."""
    issue = shop.client("dave").issues.create({"title": "Bug"})

    note = issue.notes.create({"body": "First"})
    note.body = "Second"
    note.save()
    bodies = [one.body for one in issue.notes.list(get_all=True)]
    note.delete()

    assert bodies == ["Second"]
    assert issue.notes.list(get_all=True) == []
    with pytest.raises(gitlab.exceptions.GitlabGetError) as caught:
        issue.notes.get(note.id)
    assert caught.value.error_message == "404 Note Not Found"


def test_only_the_author_changes_a_comment(shop: Shop) -> None:
    """Others get 403, a Maintainer too."""
    shop.post("./issues", title="Bug")
    note = shop.post("./issues/1/notes", "dave", body="Mine")

    answer = shop.ask("PUT", f"./issues/1/notes/{note['id']}", "mona", json={"body": "Yours"})

    assert answer.status_code == 403
    assert shop.ask("DELETE", f"./issues/1/notes/{note['id']}", "rita").status_code == 403


@pytest.mark.parametrize("body", ["", "  \n", "x" * 1_000_001])
def test_a_comment_says_something_of_a_bearable_length(shop: Shop, body: str) -> None:
    """Blank and endless ones are 400."""
    shop.post("./issues", title="Bug")

    assert shop.ask("POST", "./issues/1/notes", json={"body": body}).status_code == 400


def test_internal_notes_are_not_for_guests(shop: Shop) -> None:
    """They neither see nor write them."""
    shop.post("./issues", title="Bug")
    note = shop.post("./issues/1/notes", body="Secret", internal=True)

    assert note["internal"]
    assert shop.get("./issues/1/notes", "gus") == []
    assert shop.ask("GET", f"./issues/1/notes/{note['id']}", "gus").status_code == 404
    given = {"body": "x", "internal": True}
    assert shop.ask("POST", "./issues/1/notes", "gus", json=given).status_code == 403


def test_system_notes_can_be_told_apart(shop: Shop) -> None:
    """A changed title leaves one."""
    shop.post("./issues", title="Old")
    shop.put("./issues/1", title="New")
    shop.post("./issues/1/notes", body="Hello")

    notes = shop.get("./issues/1/notes?sort=asc")

    assert [(n["system"], n["body"]) for n in notes] == [
        (True, "changed title from **Old** to **New**"),
        (False, "Hello"),
    ]
    assert len(shop.get("./issues/1/notes?activity_filter=only_comments")) == 1


def test_a_body_of_quick_actions_is_202_without_a_note(shop: Shop) -> None:
    """They are carried out, and there is no id."""
    shop.post("./issues", title="Bug")

    answer = shop.ask("POST", "./issues/1/notes", json={"body": '/label ~"to do" ~bug\n/close'})

    assert answer.status_code == 202
    assert "id" not in answer.json()
    issue = shop.get("./issues/1")
    assert (issue["state"], issue["labels"]) == ("closed", ["bug", "to do"])
    assert shop.get("./issues/1/notes") == []


def test_quick_actions_beside_text_leave_the_text(shop: Shop) -> None:
    """The note is what is left."""
    shop.post("./issues", title="Bug")

    note = shop.post("./issues/1/notes", body="Done.\n/close")

    assert note["body"] == "Done."
    assert shop.get("./issues/1")["state"] == "closed"


def test_failed_quick_actions_are_400(shop: Shop) -> None:
    """A guest may not close what is another's."""
    shop.post("./issues", title="Bug")

    answer = shop.ask("POST", "./issues/1/notes", "gus", json={"body": "/close"})

    assert answer.status_code == 400
    assert shop.get("./issues/1")["state"] == "opened"


@pytest.mark.parametrize(
    "body", ["```\n/close\n```", "> /close", "    /close", "a /close", "/nope"]
)
def test_what_only_looks_like_a_quick_action_is_text(body: str) -> None:
    """In code, in quotes, indented, in the middle of a line."""
    assert comments.split_quick_actions(body) == (body, [])


def test_notes_have_a_limit_of_their_own(shop: Shop) -> None:
    """429 as JSON, and not announced in the headers."""
    shop.post("./issues", title="Bug")
    shop.lab.notes_limit = 1
    try:
        shop.post("./issues/1/notes", body="One")
        answer = shop.ask("POST", "./issues/1/notes", json={"body": "Two"})
    finally:
        shop.lab.notes_limit = None

    assert answer.status_code == 429
    assert "too many times" in answer.json()["message"]["error"]
    assert "Retry-After" not in answer.headers


def test_discussions_hold_threads(shop: Shop) -> None:
    """A plain note is a thread of its own until somebody answers."""
    shop.post("./issues", title="Bug")
    shop.post("./issues/1/notes", body="Alone")
    thread = shop.post("./issues/1/discussions", body="Question")
    shop.post(f"./issues/1/discussions/{thread['id']}/notes", "dave", body="Answer")

    found = shop.get("./issues/1/discussions")

    assert [(d["individual_note"], len(d["notes"])) for d in found] == [(True, 1), (False, 2)]
    assert len(thread["id"]) == 40
    assert found[1]["notes"][1]["type"] == "DiscussionNote"
    assert shop.ask("GET", "./issues/1/discussions/none").status_code == 404


# --- labels and protected branches -----------------------------------------------------------


def test_labels_are_kept_by_the_project(shop: Shop) -> None:
    """Created, renamed with the issues that have them, deleted."""
    shop.post("./labels", name="bug", color="#ff0000")
    shop.post("./issues", title="x", labels="bug")

    again = shop.ask("POST", "./labels", json={"name": "bug", "color": "#ff0000"})
    shop.put("./labels/bug", new_name="defect")

    assert (again.status_code, again.json()) == (409, {"message": "Label already exists"})
    assert shop.get("./issues/1")["labels"] == ["defect"]
    assert shop.get("./labels/defect")["open_issues_count"] == 1
    assert shop.ask("DELETE", "./labels/defect").status_code == 204
    assert shop.get("./issues/1")["labels"] == []
    assert shop.ask("GET", "./labels/defect").json() == {"message": "404 Label Not Found"}
    assert shop.ask("POST", "./labels", "gus", json={"name": "n", "color": "#1"}).status_code == 403
    assert shop.ask("POST", "./labels", json={}).json()["error"] == (
        "name is missing, color is missing"
    )


def test_protected_branches_are_for_maintainers(shop: Shop) -> None:
    """Listed, added once, changed, removed."""
    assert [one["name"] for one in shop.get("./protected_branches")] == ["main"]
    made = shop.post("./protected_branches", name="release/*", push_access_level=0)
    again = shop.ask("POST", "./protected_branches", json={"name": "release/*"})

    assert made["push_access_levels"][0]["access_level"] == 0
    assert again.status_code == 409
    path = "./protected_branches/release%2F%2A"
    changed = shop.ask("PATCH", path, json={"allow_force_push": True})
    assert changed.json()["allow_force_push"]
    assert shop.ask("GET", "./protected_branches", "dave").status_code == 403
    wrong = shop.ask("POST", "./protected_branches", json={"name": "x", "push_access_level": 7})
    assert wrong.json()["error"] == "push_access_level does not have a valid value"
    assert shop.ask("DELETE", path).status_code == 204
    assert shop.ask("GET", path).status_code == 404
