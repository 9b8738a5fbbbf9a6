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
    """What the run does next: the first rule that holds decides."""
    marker = seen.marker
    working = marker is not None and marker.phase is Phase.WORKING
    lease = marker.lease_s if marker is not None and working else seen.lease_s
    unannounced = marker is None and seen.branch_exists  # its run may be about to write the note
    ended = marker is not None and not working and marker.phase is not Phase.INTERRUPTED
    rules = (
        (working and seen.moved, ClaimDecision.LEAVE if _covered(seen) else ClaimDecision.LATER),
        ((working or unannounced) and seen.quiet_s < lease, ClaimDecision.WAIT),
        (seen.merge_request == "closed", ClaimDecision.CLOSED),
        (ended and _handled(seen), ClaimDecision.FAILED if _failed(marker) else ClaimDecision.DONE),
    )
    return next((step for holds, step in rules if holds), ClaimDecision.CLAIM)


def _handled(seen: IssueState) -> bool:
    """Whether the run that ended has dealt with this request, or with a later one."""
    marker = seen.marker
    if marker is None:
        return False
    return marker.is_late(seen.asked) or (not _failed(marker) and marker.request == seen.request)


def _covered(seen: IssueState) -> bool:
    return seen.marker is not None and seen.marker.covers(seen.request, seen.asked)


def _failed(marker: Marker | None) -> bool:
    return marker is not None and marker.phase is Phase.FAILED
