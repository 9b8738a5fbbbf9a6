"""A claim that this run holds: its heartbeats, the facts in its marker, and its end."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Self

from workflows.change.claim.marker import LINE_START, Marker, Phase, parse_marker
from workflows.core.errors import ClaimLost, IssueBusy, WorkflowsError
from workflows.core.flow import is_termination
from workflows.core.observability import logger
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from workflows.change.claim.claim_request import ClaimRequest
    from workflows.tasks.gitlab import GitLab

_log = logger("claim")
_BEATS_PER_LEASE = 6  # a run must miss five in a row before another takes over
_LONGEST_BEAT_S = 30.0
_JOIN_TIMEOUT_S = 2.0  # after SIGTERM


class Claim:
    """A claim that is ours. Inside its `with` block a thread writes heartbeats.

    Every write first reads the note. Where it names another run now (this machine slept for
    longer than the lease), the claim is lost, and the next `check` raises that.
    """

    def __init__(
        self,
        gitlab: GitLab,
        request: ClaimRequest,
        note_id: int,
        marker: Marker,
    ) -> None:
        self.marker = marker
        self._gitlab = gitlab
        self._request = request
        self._note_id = note_id
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
                why=f"this one wrote no heartbeat for {self._request.lease_s:.0f} s",
                fix="nothing: the other run goes on",
            )

    def keep(self, **facts: Any) -> None:
        """Write facts into the marker, for a run that goes on after this one crashed.

        Raises:
            ClaimLost: another run has the claim.
        """
        with self._lock:
            self.marker = dataclasses.replace(self.marker, **facts)
            self._write(self._gitlab, self._request.note.working(self.marker.branch))

    def end(self, phase: Phase, text: str, **facts: Any) -> None:
        """End the claim: write `text` for people, and the marker with its last `phase`.

        Raises:
            ClaimLost: another run has the claim; the note is left to it.
        """
        self._stop.set()
        with self._lock:
            self.marker = dataclasses.replace(self.marker, phase=phase, **facts)
            self._write(self._gitlab, text)

    def end_with_error(self, error: BaseException) -> None:
        """End the claim after `error`: interrupted if it may pass, failed if not.

        Never raises, because `error` is what the run ends with.
        """
        note = self._request.note
        try:
            if is_termination(error):
                self.end(Phase.INTERRUPTED, note.interrupted(str(error)))
            elif isinstance(error, WorkflowsError) and error.retryable:
                self.end(Phase.INTERRUPTED, note.interrupted(redact(error.what)))
            else:
                self.end(Phase.FAILED, note.failed(error))
        except WorkflowsError as second:
            _log.error("the note on the issue could not be written: %s", redact(second.what))

    def _write(self, gitlab: GitLab, text: str) -> None:
        """Edit our note, if it still is ours. Caller holds the lock."""
        self.check()
        request, body = self._request, f"{self.marker.line()}\n{text}"
        note = gitlab.note(request.project_id, request.iid, self._note_id)
        if note is None:  # a person deleted it: nobody else works on the issue for that
            note = gitlab.write_note(
                request.project_id, request.iid, body, LINE_START, request.own_id
            )
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
        """Write heartbeats until the claim ends or is lost."""
        wait = min(self._request.lease_s / _BEATS_PER_LEASE, _LONGEST_BEAT_S)
        if self._stop.wait(wait):
            return
        with self._gitlab.again() as gitlab:  # a session serves one thread
            while self._beat_once(gitlab) and not self._stop.wait(wait):
                pass

    def _beat_once(self, gitlab: GitLab) -> bool:
        """Write one heartbeat; False after the last one."""
        with self._lock:
            if self._stop.is_set():
                return False
            self.marker = dataclasses.replace(self.marker, beat=self.marker.beat + 1)
            try:
                self._write(gitlab, self._request.note.working(self.marker.branch))
            except (ClaimLost, IssueBusy):
                return False
            except WorkflowsError as error:
                _log.warning("the heartbeat could not be written: %s", redact(error.what))
        return True


def issue_busy(iid: int) -> IssueBusy:
    """The error of a run whose request another run, which works now, will not deal with."""
    return IssueBusy(
        f"another run works on issue {iid}, for an earlier request",
        why="it does not read comments that were written since",
        fix="run this again when that one has ended",
    )
