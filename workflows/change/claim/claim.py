"""One run works on an issue at a time: taking the claim, writing heartbeats, letting go.

The claim is the branch (made by one atomic request) and our one note with its marker. It saves
work; it is not what keeps the result right: that are the branch's lease on push and GitLab's one
open merge request for a branch. So a claim that two runs believe in for a moment does no harm.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from workflows.change.claim.marker import (
    KEY,
    ClaimDecision,
    IssueState,
    Marker,
    Phase,
    decide_claim,
    parse_marker,
)
from workflows.core.errors import ClaimLost, IssueBusy, PermanentError, WorkflowsError
from workflows.core.observability import logger
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from workflows.tasks.gitlab import GitLab, MergeRequest, Note

_log = logger("claim")
_BEATS_PER_LEASE = 6  # a run must miss five in a row before another takes over
_LONGEST_BEAT_S = 30.0
_POLLS_PER_LEASE = 20
_JOIN_TIMEOUT_S = 2.0  # after SIGTERM


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a run wants to claim. `branch` is its name if no earlier run chose one.

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
    refusal: PermanentError | None = None


@dataclass(frozen=True, slots=True)
class ClaimRefused:
    """Why a run does not work on the issue: what it saw."""

    decision: ClaimDecision
    marker: Marker | None
    merge_request: MergeRequest | None
    branch: str


def claim_issue(
    gitlab: GitLab,
    request: ClaimRequest,
    working: Callable[[Marker], str],
    failed: Callable[[WorkflowsError], str],
) -> Claim | ClaimRefused:
    """Claim the issue, or say why not. `working` words the note for a marker, without its line.

    Where it cannot be claimed for good, the issue is told in the words of `failed`.

    Waits while it is not known whether another run lives, at most that run's lease. May be run
    again: a claim of our own (`request.owner`) is simply taken up.

    Raises:
        PermanentError: `request.refusal`.
        WorkflowsError: as the GitLab calls.
    """
    watch = _HeartbeatWatch(request.lease_s)
    while True:
        note = gitlab.find_note(request.project_id, request.iid, f"<!-- {KEY} ", request.own_id)
        marker = parse_marker(note.body) if note else None
        if marker is not None and marker.owner == request.owner and note is not None:
            return Claim(gitlab, request, note.id, marker, working)
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
            claim = _claim(gitlab, request, note, branch, working, is_there=there is not None)
        except PermanentError as error:
            _write_refusal(gitlab, request, note, branch, failed(error))
            raise
        if claim is not None:
            return claim


def _claim(  # noqa: PLR0913 - what `claim_issue` saw
    gitlab: GitLab,
    request: ClaimRequest,
    note: Note | None,
    branch: str,
    working: Callable[[Marker], str],
    *,
    is_there: bool,
) -> Claim | None:
    """Make the branch and write the note; None if another run was quicker."""
    if request.refusal is not None:
        raise request.refusal
    marker = parse_marker(note.body) if note else None
    if is_there:  # without a note nobody knows who made it: never take that one away
        base = marker.base if marker else None
    elif gitlab.create_branch(request.project_id, branch, request.ref) is False:
        return None
    else:
        made = gitlab.branch(request.project_id, branch)
        base = made.commit_id if made else None
    return _announce(gitlab, request, note, _marker(request, marker, branch, base), working)


def _write_refusal(
    gitlab: GitLab, request: ClaimRequest, note: Note | None, branch: str, text: str
) -> None:
    """Say on the issue why it was not claimed; never raises, or the reason would be lost."""
    earlier = parse_marker(note.body) if note else None
    marker = _marker(request, earlier, branch, earlier.base if earlier else None)
    body = f"{dataclasses.replace(marker, phase=Phase.FAILED).line()}\n{text}"
    try:
        if note is None:
            gitlab.write_note(request.project_id, request.iid, body, f"<!-- {KEY} ", request.own_id)
        else:
            gitlab.edit_note(request.project_id, request.iid, note.id, body)
    except WorkflowsError as error:
        _log.error("the issue could not be told why: %s", redact(error.what))


def _marker(request: ClaimRequest, earlier: Marker | None, branch: str, base: str | None) -> Marker:
    """Ours, keeping what an earlier run knew of the same request."""
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
    working: Callable[[Marker], str],
) -> Claim | None:
    """Write the note; None if another run's marker is in it afterwards."""
    body = f"{marker.line()}\n{working(marker)}"
    line = f"<!-- {KEY} "
    if note is None:
        note = gitlab.write_note(
            request.project_id, request.iid, body, line, request.own_id, look_first=False
        )
    else:
        gitlab.edit_note(request.project_id, request.iid, note.id, body)
        note = gitlab.note(request.project_id, request.iid, note.id)
    written = parse_marker(note.body) if note else None
    if note is None or written is None or written.owner != request.owner:
        return None
    return Claim(gitlab, request, note.id, marker, working)


def update_status_note(  # noqa: PLR0913, PLR0917 - which note of which issue, and what
    gitlab: GitLab, project_id: int, iid: int, own_id: int, marker: Marker | None, text: str
) -> None:
    """Put `text` into our note without claiming the issue, where we have a note."""
    note = gitlab.find_note(project_id, iid, f"<!-- {KEY} ", own_id)
    if note is None or marker is None:
        return
    body = f"{marker.line()}\n{text}"
    if note.body != body:
        gitlab.edit_note(project_id, iid, note.id, body)


def issue_busy(iid: int) -> IssueBusy:
    """The error of a run whose request another run, which works now, will not deal with."""
    return IssueBusy(
        f"another run works on issue {iid}, for an earlier request",
        why="it does not read what was said since",
        fix="run this again when that one has ended",
    )


@dataclass
class _HeartbeatWatch:
    """How long the claim of another run has been quiet: by GitLab's clock, then by ours."""

    lease_s: float
    moved: bool = False
    _polled: bool = False
    _state: tuple[str, int] | None = None
    _since: float = field(default_factory=time.monotonic)
    _age_s: float = 0.0

    def quiet(self, note: Note | None, marker: Marker | None, now: datetime) -> float:
        """Seconds without a heartbeat; sets `moved` when there was one since the last look."""
        state = (marker.owner, marker.beat) if marker else None
        if state != self._state:
            self.moved = self._polled and state is not None
            self._age_s, self._since = 0.0, time.monotonic()
            if not self._polled and note is not None:
                self._age_s = max((now - note.updated_at).total_seconds(), 0.0)
        self._state, self._polled = state, True
        return self._age_s + time.monotonic() - self._since


class Claim:
    """A claim that is ours. Inside its `with` block a thread writes heartbeats.

    Every write looks first whether the note still names us, so a run that was taken over (a
    machine that slept) notices, and stops at its next `check`.
    """

    def __init__(
        self,
        gitlab: GitLab,
        request: ClaimRequest,
        note_id: int,
        marker: Marker,
        wording: Callable[[Marker], str],
    ) -> None:
        self.marker = marker
        self._gitlab = gitlab
        self._request = request
        self._note_id = note_id
        self._wording = wording
        self._lost = threading.Event()
        self._other: Marker | None = None  # of a run that does something else
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="claim", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_JOIN_TIMEOUT_S)

    def check(self) -> None:
        """Return if the claim is still ours, as far as we know.

        Raises:
            ClaimLost: another run has it.
            IssueBusy: another run has it, and does not deal with our request.
        """
        if self._lost.is_set() and self._other is not None:
            raise issue_busy(self._request.iid)
        if self._lost.is_set():
            raise ClaimLost(
                f"another run has taken over issue {self._request.iid}",
                why=f"this one showed no life for {self._request.lease_s:.0f} s",
                fix="nothing: the other run goes on",
            )

    def keep(self, **facts: Any) -> None:
        """Put facts into the marker, for a run that has to go on after us.

        Raises:
            ClaimLost: another run has the claim.
        """
        with self._lock:
            self.marker = dataclasses.replace(self.marker, **facts)
            self._write(self._gitlab, self._wording(self.marker))

    def end(self, phase: Phase, text: str, **facts: Any) -> None:
        """Write the last word: `text` for people, and the marker with `phase`.

        Raises:
            ClaimLost: another run has the claim; the note is left to it.
        """
        self._stop.set()
        with self._lock:
            self.marker = dataclasses.replace(self.marker, phase=phase, **facts)
            self._write(self._gitlab, text)

    def _write(self, gitlab: GitLab, text: str) -> None:
        """Edit our note, if it still is ours. Caller holds the lock."""
        self.check()
        request, body = self._request, f"{self.marker.line()}\n{text}"
        note = gitlab.note(request.project_id, request.iid, self._note_id)
        if note is None:  # a person deleted it: nobody else works on the issue for that
            line = f"<!-- {KEY} "
            note = gitlab.write_note(request.project_id, request.iid, body, line, request.own_id)
            self._note_id = note.id
        there = parse_marker(note.body)
        if there is None or there.owner != request.owner:
            if there is not None and not there.covers(request.request, request.asked):
                self._other = there
            self._lost.set()
            self.check()
        if note.body != body:
            gitlab.edit_note(request.project_id, request.iid, note.id, body)

    def _beat(self) -> None:
        """Write heartbeats until told to stop or the claim is lost."""
        wait = min(self._request.lease_s / _BEATS_PER_LEASE, _LONGEST_BEAT_S)
        if self._stop.wait(wait):
            return
        with self._gitlab.again() as gitlab:  # a session serves one thread
            while self._beat_once(gitlab) and not self._stop.wait(wait):
                pass

    def _beat_once(self, gitlab: GitLab) -> bool:
        """One heartbeat; False when there is no use in another."""
        with self._lock:
            if self._stop.is_set():
                return False
            self.marker = dataclasses.replace(self.marker, beat=self.marker.beat + 1)
            try:
                self._write(gitlab, self._wording(self.marker))
            except (ClaimLost, IssueBusy):
                return False
            except WorkflowsError as error:
                _log.warning("the heartbeat could not be written: %s", redact(error.what))
        return True
