"""Claims on the embedded GitLab: one run works on an issue, and what the others are told."""

from __future__ import annotations

import dataclasses
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.tasks.gitlab.support import Hub, wait_until
from workflows.change.claim.claim_request import ClaimRefused, ClaimRequest
from workflows.change.claim.decision import ClaimDecision
from workflows.change.claim.held_claim import Claim
from workflows.change.claim.marker import LINE_START, Marker, Phase, parse_marker
from workflows.change.claim.take_claim import claim_issue, update_status_note
from workflows.change.wording.status_note import StatusNote
from workflows.core.errors import ClaimLost, IssueBusy, RemoteUnavailable, RequestRefused
from workflows.local.gitlab_server.server import GitLabServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.local.gitlab_server.state.model import Issue

ASKED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = ASKED + timedelta(minutes=1)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabServer]:
    lab = GitLabServer(tmp_path_factory.mktemp("gitlab"))
    for name in ("dave", "gus"):
        lab.create_token(lab.create_user(name), value=f"glpat-{name}-0123456789")
    with lab.serve():
        yield lab


@pytest.fixture
def hub(lab: GitLabServer) -> Iterator[Hub]:
    project = lab.create_project(f"acme/claims-{next(_numbers)}")
    dave = lab.find_user("dave")
    assert dave
    lab.add_member(project, dave, 30)
    hub = Hub(lab, project)
    yield hub
    lab.fault_rules.clear()
    for client in hub.clients:
        client.close()


@pytest.fixture
def issue(hub: Hub) -> Issue:
    return hub.issue()


def wanted(hub: Hub, issue: Issue, owner: str = "one/1", **more: Any) -> ClaimRequest:
    values: dict[str, Any] = {
        "project_id": hub.id,
        "iid": issue.iid,
        "own_id": hub.user("dave").id,
        "owner": owner,
        "run": owner.partition("/")[0],
        "branch": "1-bug",
        "ref": "main",
        "request": "r1",
        "asked": ASKED,
        "lease_s": 60.0,
        "note": StatusNote("http://gitlab/acme", "run-1", None),
    } | more
    values.setdefault("asked_at", values["asked"].isoformat() if values["asked"] else "")
    return ClaimRequest(**values)


def take(hub: Hub, issue: Issue, owner: str = "one/1", **more: Any) -> Claim:
    made = claim_issue(hub.connect(), wanted(hub, issue, owner, **more))
    assert isinstance(made, Claim)
    return made


def marker_on(hub: Hub, issue: Issue) -> Marker:
    (note,) = hub.notes(issue.iid)
    marker = parse_marker(note.body)
    assert marker
    return marker


def age(hub: Hub, issue: Issue, seconds: float) -> None:
    """Let our note be as old as that."""
    with hub.lab.lock:
        (note,) = [one for one in issue.notes if not one.system]
        note.updated_at -= timedelta(seconds=seconds)


def write_marker(hub: Hub, issue: Issue, marker: Marker) -> None:
    (note,) = hub.notes(issue.iid)
    hub.connect().edit_note(hub.id, issue.iid, note.id, f"{marker.line()}\ntext")


def delete_note(hub: Hub, issue: Issue) -> None:
    (note,) = hub.notes(issue.iid)
    with hub.lab.lock:
        issue.discussions[:] = [one for one in issue.discussions if note not in one.notes]


def test_a_claim_is_a_branch_and_a_note_that_says_who_works(hub: Hub, issue: Issue) -> None:
    claim = take(hub, issue)

    commit = hub.project.repository.branches()
    assert commit["1-bug"] == commit["main"]
    assert marker_on(hub, issue) == claim.marker
    assert claim.marker == Marker(
        "one/1", "one", Phase.WORKING, "1-bug", "r1", 60.0, 0, ASKED.isoformat(), commit["main"]
    )
    assert "is working on this issue" in hub.notes(issue.iid)[0].body


def test_taking_a_claim_again_changes_nothing(hub: Hub, issue: Issue) -> None:
    first = take(hub, issue)
    first.keep(head="abc")

    again = take(hub, issue)

    assert again.marker == first.marker
    assert again.marker.head == "abc"
    assert len(hub.notes(issue.iid)) == 1


def test_a_branch_whose_maker_is_unknown_has_no_base(hub: Hub, issue: Issue) -> None:
    """So a failure never removes it."""
    hub.branch("1-bug")

    assert take(hub, issue, lease_s=0.2).marker.base is None


def test_what_an_earlier_run_found_out_is_kept_for_the_same_request_only(
    hub: Hub, issue: Issue
) -> None:
    facts: dict[str, Any] = {"head": "abc", "merge_request": 7, "evidence": {"exit_code": 0}}
    take(hub, issue).end(Phase.INTERRUPTED, "text", **facts)

    same = take(hub, issue, "two/2", branch="another")
    same.end(Phase.INTERRUPTED, "text")
    other = take(hub, issue, "three/3", request="r2")

    assert (same.marker.head, same.marker.evidence) == ("abc", {"exit_code": 0})
    assert (same.marker.branch, same.marker.base) == ("1-bug", other.marker.base)
    assert (other.marker.head, other.marker.evidence) == (None, None)
    assert other.marker.base
    assert same.marker.merge_request == other.marker.merge_request == 7
    assert len(hub.notes(issue.iid)) == 1


def test_a_claim_without_a_heartbeat_for_its_lease_is_taken_over(hub: Hub, issue: Issue) -> None:
    take(hub, issue)
    age(hub, issue, 61)

    began = time.monotonic()
    claim = take(hub, issue, "two/2", lease_s=30.0)

    assert time.monotonic() - began < 20
    assert marker_on(hub, issue).owner == claim.marker.owner == "two/2"


def test_a_claim_that_will_end_is_waited_for_as_long_as_its_own_lease(
    hub: Hub, issue: Issue
) -> None:
    take(hub, issue, lease_s=60.0)
    age(hub, issue, 59)

    began = time.monotonic()
    take(hub, issue, "two/2", lease_s=2.0)

    assert 0.1 < time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("request_id", "asked", "decision"),
    [
        ("r1", ASKED, ClaimDecision.LEAVE),
        ("r2", ASKED, ClaimDecision.LEAVE),
        ("r2", LATER, ClaimDecision.LATER),
        ("r2", None, ClaimDecision.LATER),
    ],
)
def test_a_run_whose_heartbeat_comes_is_left_alone(
    hub: Hub, issue: Issue, request_id: str, asked: datetime | None, decision: ClaimDecision
) -> None:
    with take(hub, issue, lease_s=1.2):
        refused = claim_issue(
            hub.connect(), wanted(hub, issue, "two/2", request=request_id, asked=asked, lease_s=1.2)
        )

    assert isinstance(refused, ClaimRefused)
    assert refused.decision is decision
    assert refused.branch == "1-bug"
    assert refused.merge_request is None
    assert refused.marker
    assert refused.marker.owner == "one/1"


@pytest.mark.parametrize(
    ("phase", "decision"),
    [(Phase.DONE, ClaimDecision.DONE), (Phase.FAILED, ClaimDecision.FAILED)],
)
def test_work_that_has_ended_is_not_done_again(
    hub: Hub, issue: Issue, phase: Phase, decision: ClaimDecision
) -> None:
    take(hub, issue).end(phase, "the last word", head="abc")

    refused = claim_issue(hub.connect(), wanted(hub, issue, "two/2"))

    assert isinstance(refused, ClaimRefused)
    assert refused.decision is decision
    assert (marker_on(hub, issue).phase, marker_on(hub, issue).head) == (phase, "abc")
    assert hub.notes(issue.iid)[0].body.endswith("the last word")


@pytest.mark.parametrize("earlier", [False, True])
def test_a_refusal_is_written_on_the_issue_and_nothing_is_made(
    hub: Hub, issue: Issue, *, earlier: bool
) -> None:
    if earlier:
        take(hub, issue, request="r0").end(Phase.INTERRUPTED, "text", merge_request=7)
    why = RequestRefused("the actor may not push")

    with pytest.raises(RequestRefused) as caught:
        claim_issue(hub.connect(), wanted(hub, issue, "two/2", refusal=why))

    assert caught.value is why
    marker = marker_on(hub, issue)
    assert (marker.owner, marker.phase) == ("two/2", Phase.FAILED)
    assert marker.merge_request == (7 if earlier else None)
    assert bool(marker.base) is earlier
    assert "the actor may not push" in hub.notes(issue.iid)[0].body
    assert ("1-bug" in hub.project.repository.branches()) is earlier


def test_a_refusal_that_cannot_be_written_is_raised_all_the_same(hub: Hub, issue: Issue) -> None:
    hub.fail("POST", "/notes", status=403, times=9)

    with pytest.raises(RequestRefused, match="may not push"):
        claim_issue(
            hub.connect(), wanted(hub, issue, refusal=RequestRefused("the actor may not push"))
        )

    assert hub.notes(issue.iid) == []


# --- a claim that is held --------------------------------------------------------------------


def test_heartbeats_are_counted_in_the_note_until_the_block_ends(hub: Hub, issue: Issue) -> None:
    with take(hub, issue, lease_s=0.6) as claim:
        wait_until(lambda: marker_on(hub, issue).beat >= 2)
        claim.check()
    beat = marker_on(hub, issue).beat
    time.sleep(0.3)

    assert marker_on(hub, issue).beat == beat
    assert marker_on(hub, issue).phase is Phase.WORKING


def test_no_heartbeat_comes_after_the_end(hub: Hub, issue: Issue) -> None:
    with take(hub, issue, lease_s=0.6) as claim:
        claim.end(Phase.DONE, "the last word", merge_request=3)
        time.sleep(0.3)

    marker = marker_on(hub, issue)
    assert (marker.phase, marker.beat, marker.merge_request) == (Phase.DONE, 0, 3)
    assert hub.notes(issue.iid)[0].body.endswith("the last word")


def test_a_heartbeat_that_gitlab_refuses_is_tried_again(hub: Hub, issue: Issue) -> None:
    hub.fail("PUT", "/notes", status=403, times=1)

    with take(hub, issue, lease_s=0.6) as claim:
        wait_until(lambda: marker_on(hub, issue).beat >= 2)
        claim.check()


def test_a_claim_that_another_run_took_over_is_lost(hub: Hub, issue: Issue) -> None:
    """For the same request the other run goes on; for another one this has to come again."""
    with take(hub, issue, lease_s=0.6) as claim:
        other = dataclasses.replace(claim.marker, owner="two/2")
        write_marker(hub, issue, other)
        with pytest.raises(ClaimLost, match="taken over"):
            claim.keep(head="abc")
        with pytest.raises(ClaimLost):
            claim.check()
        time.sleep(0.3)

    assert marker_on(hub, issue) == other


@pytest.mark.parametrize(("asked", "error"), [(ASKED, IssueBusy), (LATER, ClaimLost)])
def test_a_claim_lost_to_a_run_for_another_request_is_lost_for_now_only(
    hub: Hub, issue: Issue, asked: datetime, error: type[Exception]
) -> None:
    """Unless the other run was asked later, and so reads what this one was to read."""
    claim = take(hub, issue, asked=ASKED + timedelta(seconds=1))
    other = dataclasses.replace(
        claim.marker, owner="two/2", request="r2", asked_at=asked.isoformat()
    )
    write_marker(hub, issue, other)

    with pytest.raises(error):
        claim.end(Phase.DONE, "text")
    with pytest.raises(error):
        claim.check()
    assert marker_on(hub, issue) == other


def test_a_note_that_a_person_deleted_is_written_again(hub: Hub, issue: Issue) -> None:
    claim = take(hub, issue)
    delete_note(hub, issue)

    claim.keep(head="abc")
    claim.keep(merge_request=7)

    assert (marker_on(hub, issue).head, marker_on(hub, issue).merge_request) == ("abc", 7)


def test_a_note_whose_marker_a_person_removed_is_left_to_them(hub: Hub, issue: Issue) -> None:
    claim = take(hub, issue)
    (note,) = hub.notes(issue.iid)
    hub.connect().edit_note(hub.id, issue.iid, note.id, "mine now")

    with pytest.raises(ClaimLost):
        claim.keep(head="abc")

    assert hub.notes(issue.iid)[0].body == "mine now"


@pytest.mark.parametrize(
    ("error", "phase", "words"),
    [
        (RemoteUnavailable("no answer"), Phase.INTERRUPTED, "was interrupted: no answer"),
        (RequestRefused("no way"), Phase.FAILED, "could not resolve this issue: no way"),
        (ValueError("a bug"), Phase.FAILED, "could not resolve this issue"),
    ],
)
def test_an_error_ends_the_claim_by_whether_it_may_pass(
    hub: Hub, issue: Issue, error: Exception, phase: Phase, words: str
) -> None:
    take(hub, issue).end_with_error(error)

    assert marker_on(hub, issue).phase is phase
    assert words in hub.notes(issue.iid)[0].body


def test_an_end_that_cannot_be_written_hides_no_error(hub: Hub, issue: Issue) -> None:
    claim = take(hub, issue)
    hub.fail("PUT", "/notes", status=403, times=9)

    claim.end_with_error(RequestRefused("no way"))

    assert marker_on(hub, issue).phase is Phase.WORKING


def test_the_status_note_is_brought_up_to_date_only_where_there_is_one(
    hub: Hub, issue: Issue
) -> None:
    client, place = hub.connect(), (hub.id, issue.iid, hub.user("dave").id)
    claim = take(hub, issue)
    claim.end(Phase.DONE, "text")

    update_status_note(client, place, claim.marker, "merged")
    changed_at = hub.notes(issue.iid)[0].updated_at
    update_status_note(client, place, claim.marker, "merged")

    assert hub.notes(issue.iid)[0].body == f"{claim.marker.line()}\nmerged"
    assert hub.notes(issue.iid)[0].updated_at == changed_at
    delete_note(hub, issue)
    update_status_note(client, place, claim.marker, "merged")
    assert hub.notes(issue.iid) == []
    assert claim.marker.line().startswith(LINE_START)
