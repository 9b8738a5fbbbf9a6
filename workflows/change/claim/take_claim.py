"""One run works on an issue at a time: taking the claim, or finding out why not.

The claim is the branch (made by one atomic request) and our one note with its marker. It saves
work; the result is right without it, because a push never overwrites commits and GitLab has at
most one open merge request for a branch. So a claim that two runs hold for a moment does no harm.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.change.claim.claim_request import ClaimRefused
from workflows.change.claim.decision import ClaimDecision, IssueState, decide_claim
from workflows.change.claim.held_claim import Claim
from workflows.change.claim.marker import LINE_START, Marker, Phase, parse_marker
from workflows.core.errors import PermanentError, WorkflowsError
from workflows.core.observability import logger
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from datetime import datetime

    from workflows.change.claim.claim_request import ClaimRequest
    from workflows.tasks.gitlab import GitLab, Note

_log = logger("claim")
_POLLS_PER_LEASE = 20


def claim_issue(gitlab: GitLab, request: ClaimRequest) -> Claim | ClaimRefused:
    """Claim the issue, or say why not. Where it can never be claimed, our note says why.

    Waits while it is not known whether another run still works, at most that run's lease. May be
    run again: a claim with our own `request.owner` is ours already.

    Raises:
        PermanentError: `request.refusal`.
        WorkflowsError: as the GitLab calls.
    """
    watch = _HeartbeatWatch(request.lease_s)
    while True:
        note = gitlab.find_note(request.project_id, request.iid, LINE_START, request.own_id)
        claim = _written_claim(gitlab, request, note)
        if claim is not None:
            return claim
        marker = _marker_in(note)
        branch = marker.branch if marker else request.branch
        merge_request = gitlab.find_merge_request(request.project_id, branch)
        there = gitlab.branch(request.project_id, branch)
        quiet_s = watch.quiet(note, marker, gitlab.server_time())
        seen = IssueState(
            marker,
            branch_exists=there is not None,
            merge_request=merge_request.state if merge_request else None,
            request=request.request,
            asked=request.asked,
            quiet_s=quiet_s,
            lease_s=request.lease_s,
            moved=watch.moved,
        )
        step = decide_claim(seen)
        if step is ClaimDecision.WAIT:
            time.sleep(request.lease_s / _POLLS_PER_LEASE)
            continue
        if step is not ClaimDecision.CLAIM:
            return ClaimRefused(step, marker, merge_request, branch)
        try:
            claim = _make_claim(gitlab, request, note, branch, is_there=there is not None)
        except PermanentError as error:
            _write_refusal(gitlab, request, note, branch, request.note.failed(error))
            raise
        if claim is not None:
            return claim


def _make_claim(
    gitlab: GitLab,
    request: ClaimRequest,
    note: Note | None,
    branch: str,
    *,
    is_there: bool,
) -> Claim | None:
    """Make the branch and write the note; None if another run was faster."""
    if request.refusal is not None:
        raise request.refusal
    marker = _marker_in(note)
    if is_there:  # without a note its maker is unknown, so it is never removed
        base = marker.base if marker else None
    elif gitlab.create_branch(request.project_id, branch, request.ref) is False:
        return None
    else:
        made = gitlab.branch(request.project_id, branch)
        base = made.commit_id if made else None
    return _announce(gitlab, request, note, _marker(request, marker, branch, base))


def _write_refusal(
    gitlab: GitLab, request: ClaimRequest, note: Note | None, branch: str, text: str
) -> None:
    """Say on the issue why it was not claimed; never raises, or the reason would be lost."""
    earlier = _marker_in(note)
    marker = _marker(request, earlier, branch, earlier.base if earlier else None)
    body = f"{dataclasses.replace(marker, phase=Phase.FAILED).line()}\n{text}"
    try:
        if note is None:
            gitlab.write_note(request.project_id, request.iid, body, LINE_START, request.own_id)
        else:
            gitlab.edit_note(request.project_id, request.iid, note.id, body)
    except WorkflowsError as error:
        _log.error("the note on the issue could not be written: %s", redact(error.what))


def _marker(request: ClaimRequest, earlier: Marker | None, branch: str, base: str | None) -> Marker:
    """Our marker, with what an earlier run found out for the same request."""
    marker = Marker(
        owner=request.owner,
        run=request.run,
        phase=Phase.WORKING,
        branch=branch,
        request=request.request,
        lease_s=request.lease_s,
        asked_at=request.asked_at,
        base=base,
    )
    if earlier is None:
        return marker
    marker = dataclasses.replace(marker, merge_request=earlier.merge_request)
    if earlier.request == request.request:
        marker = dataclasses.replace(marker, head=earlier.head, evidence=earlier.evidence)
    return marker


def _announce(
    gitlab: GitLab,
    request: ClaimRequest,
    note: Note | None,
    marker: Marker,
) -> Claim | None:
    """Write the note; None if another run's marker is in it afterwards."""
    body = f"{marker.line()}\n{request.note.working(marker.branch)}"
    if note is None:
        note = gitlab.write_note(request.project_id, request.iid, body, LINE_START, request.own_id)
    else:
        gitlab.edit_note(request.project_id, request.iid, note.id, body)
        note = gitlab.note(request.project_id, request.iid, note.id)
    return _written_claim(gitlab, request, note)


def _written_claim(gitlab: GitLab, request: ClaimRequest, note: Note | None) -> Claim | None:
    """The claim in the note, if it is that of `request.owner`."""
    marker = _marker_in(note)
    if note is None or marker is None or marker.owner != request.owner:
        return None
    return Claim(gitlab, request, note.id, marker)


def _marker_in(note: Note | None) -> Marker | None:
    return parse_marker(note.body) if note else None


def update_status_note(
    gitlab: GitLab, issue: tuple[int, int, int], marker: Marker, text: str
) -> None:
    """Put `text` into our note without a claim, if the note is still there. Idempotent.

    `issue` is project id, iid and our user id.
    """
    project_id, iid, own_id = issue
    note = gitlab.find_note(project_id, iid, LINE_START, own_id)
    body = f"{marker.line()}\n{text}"
    if note is not None and note.body != body:
        gitlab.edit_note(project_id, iid, note.id, body)


@dataclass
class _HeartbeatWatch:
    """How long another run has written no heartbeat: by GitLab's clock first, then by ours."""

    lease_s: float
    moved: bool = False
    _polled: bool = False
    _state: tuple[str, int] | None = None
    _since: float = field(default_factory=time.monotonic)
    _age_s: float = 0.0

    def quiet(self, note: Note | None, marker: Marker | None, now: datetime) -> float:
        """Seconds without a heartbeat; sets `moved` when there was one since the last poll."""
        state = (marker.owner, marker.beat) if marker else None
        if state != self._state:
            self.moved = self._polled and state is not None
            self._age_s, self._since = 0.0, time.monotonic()
            if not self._polled and note is not None:
                self._age_s = max((now - note.updated_at).total_seconds(), 0.0)
        self._state, self._polled = state, True
        return self._age_s + time.monotonic() - self._since
