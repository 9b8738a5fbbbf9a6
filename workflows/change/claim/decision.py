"""Whether a run claims an issue, waits or leaves it, from what it sees on GitLab. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from workflows.change.claim.marker import Phase

if TYPE_CHECKING:
    from datetime import datetime

    from workflows.change.claim.marker import Marker


class ClaimDecision(StrEnum):
    """What a run that finds the issue in some state does."""

    CLAIM = "claim"  # nobody works on it: claim it
    WAIT = "wait"  # another run may be working on it: look again
    LEAVE = "leave"  # another run is working on it, for this request or a later one
    LATER = "later"  # another run is working on it, for another request: deliver this one again
    DONE = "done"  # this request was carried out
    FAILED = "failed"  # this very delivery was tried, and failed for good
    CLOSED = "closed"  # a person closed the merge request


@dataclass(frozen=True, slots=True)
class IssueState:
    """What a run sees. `quiet_s` is the time since the last heartbeat, in seconds.

    `moved` says that a heartbeat came since the last poll.
    `merge_request` is its state (opened, closed, merged, locked) or None. `asked` is the time of
    the trigger, None where an operator started the run.
    """

    marker: Marker | None
    branch_exists: bool
    merge_request: str | None
    request: str
    asked: datetime | None
    quiet_s: float
    lease_s: float
    moved: bool = False


def decide_claim(seen: IssueState) -> ClaimDecision:
    """What the run does next: another run comes first, then how an earlier one ended."""
    return _while_worked_on(seen) or _after_work(seen) or ClaimDecision.CLAIM


def _while_worked_on(seen: IssueState) -> ClaimDecision | None:
    """What to do if another run works on the issue, or may; None if none does."""
    marker = seen.marker
    if marker is None:  # the run that made the branch may be about to write the note
        may_work = seen.branch_exists and seen.quiet_s < seen.lease_s
        return ClaimDecision.WAIT if may_work else None
    if marker.phase is not Phase.WORKING:
        return None
    if seen.moved:
        covered = marker.covers(seen.request, seen.asked)
        return ClaimDecision.LEAVE if covered else ClaimDecision.LATER
    return ClaimDecision.WAIT if seen.quiet_s < marker.lease_s else None


def _after_work(seen: IssueState) -> ClaimDecision | None:
    """Why nothing is left to do for this request; None if there is."""
    marker = seen.marker
    if seen.merge_request == "closed":
        return ClaimDecision.CLOSED
    if marker is None:
        return None
    if marker.phase is Phase.DONE and marker.covers(seen.request, seen.asked):
        return ClaimDecision.DONE
    if marker.phase is Phase.FAILED and marker.is_late(seen.asked):
        return ClaimDecision.FAILED
    return None
