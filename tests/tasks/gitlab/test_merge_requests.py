"""Merge requests: one for two branches, brought up to date without undoing what people did."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.tasks.gitlab.support import Answer, Scripted, settings_for, wait_until
from workflows.core.errors import (
    AccessDenied,
    BranchNotFound,
    RequestConflict,
    RequestRefused,
    ResourceNotFound,
)
from workflows.local.gitlab_server.actions import editing
from workflows.servers.serving import serve_app
from workflows.tasks.gitlab import GitLab, MergeRequestFields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.tasks.gitlab.support import Hub
    from workflows.local.gitlab_server.state.model import MergeRequest

WISH = MergeRequestFields("feature", "main", "Add login", "Closes #1")


@pytest.fixture
def shop(hub: Hub) -> Hub:
    """A project with the branch `feature`."""
    hub.branch("feature")
    return hub


def all_of(hub: Hub) -> Sequence[MergeRequest]:
    with hub.lab.lock:
        return list(hub.project.merge_requests.values())


def change(hub: Hub, iid: int, name: str = "mona", **fields: Any) -> None:
    """What a person does on the page."""
    with hub.lab.lock:
        one = hub.project.merge_requests[iid]
        editing.edit(hub.lab, one, hub.user(name), fields)


def test_a_merge_request_is_made(shop: Hub) -> None:
    """With everything that was wished for."""
    gus, rita = shop.user("gus").id, shop.user("rita").id
    wish = replace(
        WISH,
        draft=True,
        labels=("workflows", "ä b"),
        assignee_ids=(gus,),
        reviewer_ids=(rita,),
        remove_source_branch=True,
        squash=True,
    )

    made, created = shop.connect().open_merge_request(shop.id, wish)

    assert created is True
    assert made.web_url == f"{shop.lab.url}/{shop.project.path}/-/merge_requests/1"
    assert (made.iid, made.project_id, made.state) == (1, shop.id, "opened")
    assert (made.source_branch, made.target_branch) == ("feature", "main")
    assert (made.title, made.draft) == ("Draft: Add login", True)
    assert (made.description, made.labels) == ("Closes #1", ("workflows", "ä b"))
    assert (made.assignee_ids, made.reviewer_ids) == ((gus,), (rita,))
    assert (made.remove_source_branch, made.squash) == (True, True)
    assert (made.author_id, made.closed_by_id) == (shop.user("dave").id, None)
    assert made.sha == shop.project.repository.branches()["feature"]


def test_the_second_time_it_is_found(shop: Hub) -> None:
    """And nothing is written where nothing differs."""
    client = shop.connect()
    first, _ = client.open_merge_request(shop.id, WISH)

    again, created = client.open_merge_request(shop.id, WISH)

    assert (again, created) == (first, False)
    assert (shop.asked("POST"), shop.asked("PUT")) == (1, 0)


def test_what_differs_is_brought_up_to_date(shop: Hub) -> None:
    """In one request."""
    client = shop.connect()
    client.open_merge_request(shop.id, WISH)
    wish = replace(WISH, title="Add logout", description="Closes #2", labels=("a",), squash=True)

    found, created = client.open_merge_request(shop.id, wish)

    assert created is False
    assert (found.title, found.description, found.squash) == ("Add logout", "Closes #2", True)
    assert (found.labels, shop.asked("PUT")) == (("a",), 1)


def test_what_people_chose_stays(shop: Hub) -> None:
    """Labels, assignees, reviewers, and that it is ready."""
    client, mona = shop.connect(), shop.user("mona")
    wish = replace(WISH, draft=True, labels=("a",), assignee_ids=(shop.user("gus").id,))
    client.open_merge_request(shop.id, wish)
    change(shop, 1, title="Add login", add_labels=["theirs"], assignees=[mona], reviewers=[mona])

    found, _ = client.open_merge_request(
        shop.id, replace(wish, draft=None, reviewer_ids=(shop.user("gus").id,))
    )

    assert (found.draft, found.labels) == (False, ("a", "theirs"))
    assert (found.assignee_ids, found.reviewer_ids) == ((mona.id,), (mona.id,))


@pytest.mark.parametrize("title", ["Draft: Old", "[Draft] Old", "(draft) Old", "Old"])
@pytest.mark.parametrize("wish", ["kept", "set", "taken off"])
def test_the_mark_of_a_draft_is_kept_set_or_taken_off(shop: Hub, title: str, wish: str) -> None:
    """It is never there twice."""
    draft = {"kept": None, "set": True, "taken off": False}[wish]
    client = shop.connect()
    client.open_merge_request(shop.id, WISH)
    change(shop, 1, title=title)
    wanted = title != "Old" if draft is None else draft

    found, _ = client.open_merge_request(shop.id, replace(WISH, title="draft: New", draft=draft))

    assert found.title == ("Draft: New" if wanted else "New")
    assert found.draft is wanted


def test_a_long_title_is_cut(shop: Hub) -> None:
    """To the 255 characters GitLab takes; a second run finds no difference."""
    client, wish = shop.connect(), replace(WISH, title="ää\n" * 300, draft=True)

    made, _ = client.open_merge_request(shop.id, wish)
    client.open_merge_request(shop.id, wish)

    assert len(made.title) == 255
    assert made.title.endswith("…")
    assert shop.asked("PUT") == 0


def test_another_target_is_another_merge_request(shop: Hub) -> None:
    """GitLab allows one for each pair."""
    shop.branch("release")
    client = shop.connect()
    client.open_merge_request(shop.id, WISH)

    other, created = client.open_merge_request(shop.id, replace(WISH, target_branch="release"))

    assert (other.iid, created) == (2, True)


def test_a_closed_one_is_not_taken_up(shop: Hub) -> None:
    """A new one is made; who closed the old one can be told."""
    client = shop.connect()
    client.open_merge_request(shop.id, WISH)
    change(shop, 1, state_event="close")

    closed = client.find_merge_request(shop.id, "feature")
    made, created = client.open_merge_request(shop.id, WISH)

    assert closed is not None
    assert (closed.state, closed.closed_by_id) == ("closed", shop.user("mona").id)
    assert (made.iid, created) == (2, True)


def test_the_open_one_is_found_before_the_newest(shop: Hub) -> None:
    """Of closed ones the newest."""
    client = shop.connect()
    shop.branch("release")
    for target in ("main", "release"):
        client.open_merge_request(shop.id, replace(WISH, target_branch=target))
    change(shop, 2, state_event="close")

    found = client.find_merge_request(shop.id, "feature")
    targeted = client.find_merge_request(shop.id, "feature", target_branch="release")
    change(shop, 1, state_event="close")
    newest = client.find_merge_request(shop.id, "feature")

    assert [one and one.iid for one in (found, targeted, newest)] == [1, 2, 2]


def test_a_branch_without_a_merge_request_has_none(shop: Hub) -> None:
    """None."""
    assert shop.connect().find_merge_request(shop.id, "feature") is None


def test_one_that_is_not_there_is_not_found(shop: Hub) -> None:
    """By number."""
    with pytest.raises(ResourceNotFound):
        shop.connect().merge_request(shop.id, 7)


def test_of_many_at_once_one_makes_it(shop: Hub) -> None:
    """All get the same, and one is told that it made it."""
    shop.fail("POST", "/merge_requests$", latency_s=0.1, times=5)
    clients = [shop.connect() for _ in range(5)]

    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda c: c.open_merge_request(shop.id, WISH), clients))

    assert {one.iid for one, _ in found} == {1}
    assert sorted(created for _, created in found) == [False] * 4 + [True]
    assert len(all_of(shop)) == 1


def test_a_conflict_names_the_one_that_a_list_does_not_show_yet(shop: Hub) -> None:
    """Its number is a hint: it is read and compared."""
    made, _ = shop.connect("mona").open_merge_request(shop.id, WISH)
    nothing = Answer(body=b"[]")
    conflict = Answer(409, b'{"message": ["Another open one already exists: !1"]}')
    raw = shop.connect()._get(f"/projects/{shop.id}/merge_requests/1")
    one = Answer(body=json.dumps(raw).encode())
    other = Answer(body=json.dumps(raw | {"target_branch": "release"}).encode())
    branch = Answer(body=b'{"name": "feature", "commit": {"id": "1"}}')

    script = Scripted([nothing, branch, conflict, nothing, one])
    with serve_app(script) as url, GitLab.connect(settings_for(url)) as client:
        found = client.open_merge_request(shop.id, WISH)
        script.reset(nothing, branch, conflict, nothing, other)
        with pytest.raises(RequestConflict):
            client.open_merge_request(shop.id, WISH)

    assert found == (made, False)


def test_the_branch_of_a_fork_is_not_ours(shop: Hub) -> None:
    """Anybody may open a merge request from a branch of the same name in a fork."""
    shop.connect().open_merge_request(shop.id, WISH)
    raw = shop.connect()._get(f"/projects/{shop.id}/merge_requests/1")
    fork = raw | {"iid": 2, "source_project_id": shop.id + 1}

    script = Scripted([Answer(body=json.dumps([fork, raw]).encode())])
    with serve_app(script) as url, GitLab.connect(settings_for(url)) as client:
        both = client.find_merge_request(shop.id, "feature")
        script.reset(Answer(body=json.dumps([fork]).encode()))
        alone = client.find_merge_request(shop.id, "feature")

    assert both is not None
    assert (both.iid, alone) == (1, None)


def test_the_source_branch_is_waited_for(hub: Hub) -> None:
    """A branch that was pushed a moment ago may not be shown yet."""
    hub.branch("feature")
    hub.fail("GET", "/branches/feature$", status=404, times=3)

    made, created = hub.connect().open_merge_request(hub.id, WISH)

    assert (made.iid, created) == (1, True)
    assert hub.waits_s == [0.25, 0.5, 1.0]


def test_a_source_branch_that_never_comes_is_an_error(hub: Hub) -> None:
    """After 10 s, and no merge request is made of nothing."""
    with pytest.raises(BranchNotFound, match="feature"):
        hub.connect().open_merge_request(hub.id, WISH)

    assert 5 < sum(hub.waits_s) <= 10
    assert hub.asked("POST") == 0


def test_a_slow_diff_is_no_reason_to_wait(shop: Hub) -> None:
    """GitLab computes it later."""
    shop.lab.unprepared_reads = 5

    made, created = shop.connect().open_merge_request(shop.id, WISH)

    assert (made.state, created) == ("opened", True)


def test_source_and_target_must_differ(shop: Hub) -> None:
    """GitLab's words are passed on."""
    with pytest.raises(RequestRefused, match="422") as caught:
        shop.connect().open_merge_request(shop.id, replace(WISH, target_branch="feature"))

    assert "same project/branch" in caught.value.why


def test_a_role_too_low_makes_none(shop: Hub) -> None:
    """Reporter."""
    with pytest.raises(AccessDenied):
        shop.connect("rita").open_merge_request(shop.id, WISH)


def test_an_update_sends_what_differs(shop: Hub) -> None:
    """And nothing where nothing does."""
    client = shop.connect()
    client.open_merge_request(shop.id, replace(WISH, labels=("a", "b"), draft=True))

    changed = client.update_merge_request(
        shop.id, 1, description="New", add_labels=["c", "a"], remove_labels=["b", "x"]
    )
    ready = client.update_merge_request(shop.id, 1, draft=False)
    closed = client.update_merge_request(shop.id, 1, state_event="close")
    puts = shop.asked("PUT")
    again = client.update_merge_request(
        shop.id, 1, description="New", state_event="close", title="Add login", draft=False
    )

    assert (changed.title, changed.description) == ("Draft: Add login", "New")
    assert (changed.labels, ready.title, ready.draft) == (("a", "c"), "Add login", False)
    assert (closed.state, again) == ("closed", closed)
    assert (puts, shop.asked("PUT")) == (3, 3)


def test_reopening_beside_an_open_one_is_a_conflict(shop: Hub) -> None:
    """409."""
    client = shop.connect()
    client.open_merge_request(shop.id, WISH)
    client.update_merge_request(shop.id, 1, state_event="close")
    client.open_merge_request(shop.id, WISH)

    with pytest.raises(RequestConflict):
        client.update_merge_request(shop.id, 1, state_event="reopen")


def test_an_answer_that_comes_too_late_is_looked_for(shop: Hub) -> None:
    """GitLab made it, and we had hung up."""
    client = shop.connect(gitlab_timeout_s=0.5)
    client.me()
    shop.fail("POST", "/merge_requests$", latency_s=0.8, after=True)
    shop.meanwhile = lambda: wait_until(lambda: len(all_of(shop)) == 1)

    made, created = client.open_merge_request(shop.id, WISH)

    assert (made.iid, created) == (1, False)
    assert len(all_of(shop)) == 1
