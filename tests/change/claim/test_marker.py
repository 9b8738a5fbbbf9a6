"""What a run does with what it finds: the marker in the note, and the table of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.change.claim.decision import ClaimDecision, IssueState, decide_claim
from workflows.change.claim.marker import (
    Marker,
    Phase,
    parse_marker,
)

ASKED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = ASKED + timedelta(minutes=1)


def marker(phase: Phase = Phase.WORKING, request: str = "r1") -> Marker:
    return Marker(
        owner="run/1",
        run="run",
        phase=phase,
        branch="1-x",
        request=request,
        lease_s=60,
        asked_at=ASKED.isoformat(),
    )


def seen(found: Marker | None = None, **more: object) -> IssueState:
    values: dict[str, object] = {
        "branch_exists": found is not None,
        "merge_request": None,
        "request": "r1",
        "asked": None,
        "quiet_s": 0.0,
        "lease_s": 60.0,
    }
    return IssueState(found, **(values | more))  # type: ignore[arg-type]


TABLE = [
    ("nothing is there", seen(), ClaimDecision.CLAIM),
    ("a branch without a note, just now", seen(branch_exists=True), ClaimDecision.WAIT),
    ("a branch without a note for long", seen(branch_exists=True, quiet_s=61), ClaimDecision.CLAIM),
    (
        "a branch without a note for a whole lease",
        seen(branch_exists=True, quiet_s=60),
        ClaimDecision.CLAIM,
    ),
    ("a claim that is quiet for a whole lease", seen(marker(), quiet_s=60), ClaimDecision.CLAIM),
    ("a claim that is quiet for almost a lease", seen(marker(), quiet_s=59.9), ClaimDecision.WAIT),
    ("a fresh claim", seen(marker()), ClaimDecision.WAIT),
    ("a claim that shows life", seen(marker(), moved=True), ClaimDecision.LEAVE),
    (
        "a claim that shows life, for a later request",
        seen(marker(), moved=True, request="r2", asked=ASKED),
        ClaimDecision.LEAVE,
    ),
    (
        "a claim that shows life, for an earlier request",
        seen(marker(), moved=True, request="r2", asked=LATER),
        ClaimDecision.LATER,
    ),
    (
        "a claim that shows life, and an operator asks for something else",
        seen(marker(), moved=True, request="r2"),
        ClaimDecision.LATER,
    ),
    ("a claim whose lease ran out", seen(marker(), quiet_s=61), ClaimDecision.CLAIM),
    ("an interrupted run", seen(marker(Phase.INTERRUPTED)), ClaimDecision.CLAIM),
    (
        "done, the same request",
        seen(marker(Phase.DONE), merge_request="opened"),
        ClaimDecision.DONE,
    ),
    ("done, and merged", seen(marker(Phase.DONE), merge_request="merged"), ClaimDecision.DONE),
    ("done, a redelivery", seen(marker(Phase.DONE), request="r2", asked=ASKED), ClaimDecision.DONE),
    (
        "done, a new request",
        seen(marker(Phase.DONE), request="r2", asked=LATER),
        ClaimDecision.CLAIM,
    ),
    ("done, asked anew for the same", seen(marker(Phase.DONE), asked=LATER), ClaimDecision.DONE),
    ("failed, the same delivery", seen(marker(Phase.FAILED), asked=ASKED), ClaimDecision.FAILED),
    ("failed, asked anew", seen(marker(Phase.FAILED), asked=LATER), ClaimDecision.CLAIM),
    ("failed, an operator tries", seen(marker(Phase.FAILED)), ClaimDecision.CLAIM),
    ("closed by a person", seen(marker(Phase.DONE), merge_request="closed"), ClaimDecision.CLOSED),
    (
        "closed while a run works",
        seen(marker(), merge_request="closed", moved=True),
        ClaimDecision.LEAVE,
    ),
    (
        "closed, and a new request",
        seen(marker(Phase.DONE), merge_request="closed", request="r2", asked=LATER),
        ClaimDecision.CLOSED,
    ),
]


@pytest.mark.parametrize(("found", "step"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_what_comes_next(found: IssueState, step: ClaimDecision) -> None:
    assert decide_claim(found) is step


@given(st.text(max_size=20), st.sampled_from(Phase), st.text(max_size=20), st.integers(0, 10**6))
def test_a_marker_survives_its_note(owner: str, phase: Phase, branch: str, beat: int) -> None:
    one = Marker(
        owner=owner,
        run="r",
        phase=phase,
        branch=branch,
        request="x",
        lease_s=3,
        beat=beat,
        evidence={"command": "a --> <!-- b"},
    )

    assert parse_marker(f"{one.line()}\nany text") == one
    assert one.line().count("-->") == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "text",
        "<!-- workflows:resolve_issue {} -->",
        "<!-- workflows:resolve_issue {x} -->",
        '<!-- workflows:resolve_issue {"owner": 1} -->',
        "<!-- workflows:resolve_issue [1] -->",
        "text before\n" + marker().line(),
        marker().line().replace('"working"', '"dancing"'),
        marker().line().replace("60", '"soon"'),
    ],
)
def test_what_is_no_marker_is_none(body: str) -> None:
    assert parse_marker(body) is None


def test_keys_of_a_newer_version_are_dropped() -> None:
    line = marker().line().replace('"run":', '"colour": "red", "run":')

    assert parse_marker(line) == marker()
