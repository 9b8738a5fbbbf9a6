"""Our notes: found by a marker, written once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.tasks.gitlab.support import MARK, Hub, wait_until
from workflows.core.errors import (
    AccessDenied,
    RemoteUnavailable,
    RequestRefused,
    ResourceNotFound,
)
from workflows.local.gitlab_server.actions import comments
from workflows.tasks.gitlab import GitLab, MergeRequestFields, Note

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.model import Issue

BODY = f"Working on it\n\n{MARK}"


@pytest.fixture
def hub(office: Hub) -> Hub:
    """One project will do: each test has an issue of its own."""
    return office


@pytest.fixture
def issue(hub: Hub) -> Issue:
    return hub.issue()


def say(hub: Hub, issue: Issue, name: str, body: str) -> None:
    with hub.lab.lock:
        comments.write_comment(hub.lab, issue, hub.user(name), body)


def test_a_note_is_written_and_found(hub: Hub, issue: Issue) -> None:
    """By its marker."""
    client, own = hub.connect(), hub.user("dave").id
    assert client.find_note(hub.id, issue.iid, MARK, own) is None

    made = client.write_note(hub.id, issue.iid, BODY, MARK, own)

    assert (made.body, made.author_id) == (BODY, own)
    assert made.created_at.utcoffset() is not None
    assert client.find_note(hub.id, issue.iid, MARK, own) == made


def test_a_note_is_written_once(hub: Hub, issue: Issue) -> None:
    """The second call returns the first note as it is."""
    client, own = hub.connect(), hub.user("dave").id
    first = client.write_note(hub.id, issue.iid, BODY, MARK, own)

    again = client.write_note(hub.id, issue.iid, f"Other {MARK}", MARK, own)

    assert again == first
    assert hub.asked("POST") == 1


def test_the_note_of_another_is_not_ours(hub: Hub, issue: Issue) -> None:
    """Even with our marker in it: anybody can copy that."""
    say(hub, issue, "mona", BODY)
    client, own = hub.connect(), hub.user("dave").id

    assert client.find_note(hub.id, issue.iid, MARK, own) is None
    assert client.write_note(hub.id, issue.iid, BODY, MARK, own).author_id == own


def test_the_oldest_of_ours_is_found(hub: Hub, issue: Issue) -> None:
    """Among all pages of notes."""
    say(hub, issue, "dave", "No marker")
    for number in range(105):
        say(hub, issue, "gus", f"Comment {number}")
    say(hub, issue, "dave", f"First {MARK}")
    say(hub, issue, "dave", f"Second {MARK}")
    client, own = hub.connect(), hub.user("dave").id

    found = client.find_note(hub.id, issue.iid, MARK, own)
    every = client.find_notes(hub.id, issue.iid, MARK, own)

    assert found is not None
    assert found.body == f"First {MARK}"
    assert [note.body for note in every] == [f"First {MARK}", f"Second {MARK}"]


def test_notes_of_a_merge_request_work_alike(hub: Hub) -> None:
    """With `of`."""
    client, own = hub.connect(), hub.user("dave").id
    wish = MergeRequestFields(hub.branch(), "main", "T")
    one, _ = client.open_merge_request(hub.id, wish)

    made = client.write_note(hub.id, one.iid, BODY, MARK, own, of="merge_requests")
    edited = client.edit_note(hub.id, one.iid, made.id, f"New {MARK}", of="merge_requests")
    found = client.find_note(hub.id, one.iid, MARK, own, of="merge_requests")
    client.delete_note(hub.id, one.iid, made.id, of="merge_requests")

    assert edited == found
    assert hub.notes(one.iid, "merge_requests") == []


def test_a_note_is_edited(hub: Hub, issue: Issue) -> None:
    """In place, any number of times."""
    client, own = hub.connect(), hub.user("dave").id
    made = client.write_note(hub.id, issue.iid, BODY, MARK, own)

    client.edit_note(hub.id, issue.iid, made.id, f"50 % {MARK}")
    edited = client.edit_note(hub.id, issue.iid, made.id, f"100 % {MARK}")

    assert (edited.id, edited.body) == (made.id, f"100 % {MARK}")
    assert edited.updated_at > edited.created_at
    assert [note.body for note in hub.notes(issue.iid)] == [f"100 % {MARK}"]


def test_a_note_that_is_gone_cannot_be_edited(hub: Hub, issue: Issue) -> None:
    """Not found, so that the caller writes a new one."""
    with pytest.raises(ResourceNotFound):
        hub.connect().edit_note(hub.id, issue.iid, 4711, "x")


def test_the_note_of_another_cannot_be_edited(hub: Hub, issue: Issue) -> None:
    """Denied."""
    say(hub, issue, "gus", "Mine")

    with pytest.raises(AccessDenied):
        hub.connect().edit_note(hub.id, issue.iid, hub.notes(issue.iid)[0].id, "x")


def test_a_note_is_deleted_once_or_twice(hub: Hub, issue: Issue) -> None:
    """One that is gone is no error."""
    client = hub.connect()
    made = client.write_note(hub.id, issue.iid, BODY, MARK, hub.user("dave").id)

    client.delete_note(hub.id, issue.iid, made.id)
    client.delete_note(hub.id, issue.iid, made.id)

    assert hub.notes(issue.iid) == []


def test_a_body_without_its_marker_is_a_defect(hub: Hub, issue: Issue) -> None:
    """It would be written again and again."""
    with pytest.raises(ValueError, match="marker"):
        hub.connect().write_note(hub.id, issue.iid, "Hello", MARK, 1)


def test_a_body_of_quick_actions_is_an_error(hub: Hub, issue: Issue) -> None:
    """GitLab answers 202 without an id; the marker here is the action itself."""
    with pytest.raises(RequestRefused, match="quick actions") as caught:
        hub.connect().write_note(hub.id, issue.iid, "/close", "/close", hub.user("dave").id)

    assert "block" in caught.value.fix


def test_a_body_of_failing_quick_actions_is_an_error(hub: Hub, issue: Issue) -> None:
    """GitLab answers 400."""
    with pytest.raises(RequestRefused, match="400"):
        hub.connect().write_note(hub.id, issue.iid, "/reopen", "/reopen", hub.user("dave").id)


def test_a_body_that_is_too_long_is_refused(hub: Hub, issue: Issue) -> None:
    """With GitLab's words, cut."""
    body = MARK + "x" * 1_000_001

    with pytest.raises(RequestRefused) as caught:
        hub.connect().write_note(hub.id, issue.iid, body, MARK, hub.user("dave").id)

    assert "too long" in caught.value.why


def test_racing_writers_end_with_one_note(hub: Hub, issue: Issue) -> None:
    """All look before the first one has written, and all get the same note."""
    own, barrier = hub.user("dave").id, threading.Barrier(4)

    class Racer(GitLab):
        def find_notes(self, *args: Any, **options: Any) -> list[Note]:
            """Who finds nothing waits until all have found nothing."""
            found = super().find_notes(*args, **options)
            if not found:
                barrier.wait(10)
            return found

    clients = [hub.connect(kind=Racer) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda c: c.write_note(hub.id, issue.iid, BODY, MARK, own), clients))

    assert hub.asked("POST") == 4
    assert {note.id for note in found} == {note.id for note in hub.notes(issue.iid)}
    assert len(hub.notes(issue.iid)) == 1


def test_a_note_that_appears_late_is_cleaned_up(hub: Hub, issue: Issue) -> None:
    """A POST that GitLab carried out after we had looked: the next call deletes the newer one."""
    client, own = hub.connect(), hub.user("dave").id
    first = client.write_note(hub.id, issue.iid, BODY, MARK, own)
    say(hub, issue, "dave", BODY)

    again = client.write_note(hub.id, issue.iid, BODY, MARK, own)

    assert again == first
    assert [note.id for note in hub.notes(issue.iid)] == [first.id]


def test_an_answer_that_comes_too_late_is_looked_for(hub: Hub, issue: Issue) -> None:
    """GitLab wrote the note, and we had hung up."""
    client, own = hub.connect(gitlab_timeout_s=0.5), hub.user("dave").id
    client.me()
    hub.fail("POST", "/notes$", latency_s=0.8, after=True)
    hub.meanwhile = lambda: wait_until(lambda: len(hub.notes(issue.iid)) == 1)

    made = client.write_note(hub.id, issue.iid, BODY, MARK, own)

    assert [note.id for note in hub.notes(issue.iid)] == [made.id]


def test_a_limit_on_notes_is_a_passing_error(hub: Hub, issue: Issue) -> None:
    """GitLab's limit for each minute; nothing is written twice."""
    hub.lab.notes_limit = 1
    client, own = hub.connect("rita"), hub.user("rita").id
    client.write_note(hub.id, issue.iid, f"One {MARK}", f"One {MARK}", own)

    with pytest.raises(RemoteUnavailable) as caught:
        client.write_note(hub.id, issue.iid, f"Two {MARK}", f"Two {MARK}", own)

    assert "too many times" in caught.value.why
    assert len(hub.notes(issue.iid)) == 1
