"""Issues, comments and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workflows.core.errors import ResourceNotFound
from workflows.local.gitlab_server.actions import comments, editing
from workflows.local.gitlab_server.state.model import Note
from workflows.tasks.gitlab import Author

if TYPE_CHECKING:
    from tests.tasks.gitlab.support import Hub
    from workflows.local.gitlab_server.state.model import Issue


@pytest.fixture
def hub(office: Hub) -> Hub:
    """One project will do: each test has an issue of its own."""
    return office


def say(hub: Hub, issue: Issue, name: str, body: str, *, internal: bool = False) -> Note:
    with hub.lab.lock:
        note = comments.write_comment(hub.lab, issue, hub.user(name), body, internal=internal)
    assert isinstance(note, Note)
    return note


def test_an_issue_is_read_whole(hub: Hub) -> None:
    """With its author, its labels and times in UTC."""
    issue = hub.issue("Bäd", description="Steps", labels=["b", "a"], confidential=False)
    gus = hub.user("gus")

    found = hub.connect().issue(hub.id, issue.iid)

    assert (found.id, found.iid, found.project_id) == (issue.id, issue.iid, hub.id)
    assert (found.title, found.description, found.state) == ("Bäd", "Steps", "opened")
    assert (found.labels, found.confidential) == (("a", "b"), False)
    assert found.author == Author(gus.id, "gus", "Gus")
    assert found.web_url == f"{hub.lab.url}/{hub.project.path}/-/issues/{issue.iid}"
    assert (found.created_at, found.updated_at) == (issue.created_at, issue.updated_at)


def test_an_issue_without_a_description_has_an_empty_one(hub: Hub) -> None:
    """GitLab says null."""
    assert hub.connect().issue(hub.id, hub.issue().iid).description == ""


def test_a_confidential_issue_says_so_to_who_may_see_it(hub: Hub) -> None:
    """And is not found by others."""
    issue = hub.issue(confidential=True)

    assert hub.connect("dave").issue(hub.id, issue.iid).confidential is True
    with pytest.raises(ResourceNotFound):
        hub.connect("stranger").issue(hub.id, issue.iid)


def test_an_issue_that_is_not_there_is_not_found(hub: Hub) -> None:
    """By number."""
    with pytest.raises(ResourceNotFound, match="404"):
        hub.connect().issue(hub.id, 4711)


def test_comments_are_what_people_wrote(hub: Hub) -> None:
    """Oldest first; without internal notes, GitLab's own and ours."""
    issue = hub.issue()
    first = say(hub, issue, "gus", "One")
    say(hub, issue, "rita", "Secret", internal=True)
    say(hub, issue, "dave", "Ours")
    with hub.lab.lock:
        editing.system_note(hub.lab, issue, hub.user("gus"), "changed the description")
    say(hub, issue, "mona", "Two")

    found = hub.connect().comments(hub.id, issue.iid, until=None, own_id=hub.user("dave").id)

    assert [(c.author_username, c.body) for c in found] == [("gus", "One"), ("mona", "Two")]
    assert (found[0].id, found[0].author_id) == (first.id, hub.user("gus").id)
    assert (found[0].author_name, found[0].created_at) == ("Gus", first.created_at)


def test_comments_of_a_merge_request_are_read_alike(hub: Hub) -> None:
    """With `of`."""
    client, branch = hub.connect(), hub.branch()
    made = hub.project.merge_requests
    from workflows.tasks.gitlab import MergeRequestFields

    one, _ = client.open_merge_request(hub.id, MergeRequestFields(branch, "main", "T"))
    with hub.lab.lock:
        comments.write_comment(hub.lab, made[one.iid], hub.user("gus"), "Looks good")

    found = client.comments(hub.id, one.iid, of="merge_requests", until=None, own_id=0)

    assert [c.body for c in found] == ["Looks good"]


def test_what_came_or_was_changed_after_the_approval_is_left_out(hub: Hub) -> None:
    """And counted: nobody approved it."""
    issue = hub.issue()
    say(hub, issue, "gus", "Kept")
    edited = say(hub, issue, "gus", "Harmless")
    approval = say(hub, issue, "mona", "Go")
    with hub.lab.lock:
        comments.edit_comment(hub.lab, issue, edited, "Harmful")
    say(hub, issue, "gus", "Late")

    read = hub.connect().comments_until(
        hub.id, issue.iid, until=approval.created_at, own_id=hub.user("dave").id
    )

    assert [c.body for c in read.comments] == ["Kept", "Go"]
    assert read.changed_since == 2


def test_comments_on_many_pages_are_all_read(hub: Hub) -> None:
    """GitLab gives 100 at most at a time."""
    issue = hub.issue()
    for number in range(105):
        say(hub, issue, "gus", f"Comment {number}")

    found = hub.connect().comments(hub.id, issue.iid, until=None, own_id=0)

    assert [c.body for c in found] == [f"Comment {number}" for number in range(105)]


def test_comments_of_no_issue_are_not_found(hub: Hub) -> None:
    """Rather than none."""
    with pytest.raises(ResourceNotFound):
        hub.connect().comments(hub.id, 4711, until=None, own_id=0)
