"""What a run asks for when it takes a claim, and the answer where it does not get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from workflows.change.claim.decision import ClaimDecision
    from workflows.change.claim.marker import Marker
    from workflows.change.wording.status_note import StatusNote
    from workflows.core.errors import PermanentError
    from workflows.tasks.gitlab import MergeRequest


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a run asks for. `branch` is the name of the branch if no earlier run chose one.

    `owner` is this process, `run` its run id. `request` is the id of the change's request.
    `refusal` is why the issue cannot be worked on; it counts unless an earlier run did the work.
    """

    project_id: int
    iid: int
    own_id: int
    owner: str
    run: str
    branch: str
    ref: str  # the branch is made at this branch's commit
    request: str
    asked: datetime | None
    asked_at: str
    lease_s: float
    note: StatusNote
    refusal: PermanentError | None = None


@dataclass(frozen=True, slots=True)
class ClaimRefused:
    """Why a run does not work on the issue: what it saw."""

    decision: ClaimDecision
    marker: Marker | None
    merge_request: MergeRequest | None
    branch: str
