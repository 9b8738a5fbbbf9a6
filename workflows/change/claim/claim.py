"""One run works on an issue at a time: taking the claim, showing signs of life, letting go.

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

from workflows.change.claim.marker import KEY, Marker, Next, Phase, Seen, decide, parse
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
_LOOKS_PER_LEASE = 20
_LAST_WORD_S = 2.0  # after SIGTERM


@dataclass(frozen=True, slots=True)
class Wish:
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
class Standing:
    """Why a run does not work on the issue: what it saw."""

    next: Next
    marker: Marker | None
    merge_request: MergeRequest | None
    branch: str


def take(
    gitlab: GitLab,
    wish: Wish,
    working: Callable[[Marker], str],
    failed: Callable[[WorkflowsError], str],
) -> Claim | Standing:
    """Claim the issue, or say why not. `working` words the note for a marker, without its line.

    Where it cannot be claimed for good, the issue is told in the words of `failed`.

    Waits while it is not known whether another run lives, at most that run's lease. May be run
    again: a claim of our own (`wish.owner`) is simply taken up.

    Raises:
        PermanentError: `wish.refusal`.
        WorkflowsError: as the GitLab calls.
    """
    watch = _Watch(wish.lease_s)
    while True:
        note = gitlab.find_note(wish.project_id, wish.iid, f"<!-- {KEY} ", wish.own_id)
        marker = parse(note.body) if note else None
        if marker is not None and marker.owner == wish.owner and note is not None:
            return Claim(gitlab, wish, note.id, marker, working)
        branch = marker.branch if marker else wish.branch
        merge_request = gitlab.find_merge_request(wish.project_id, branch)
        there = gitlab.branch(wish.project_id, branch)
        quiet_s = watch.quiet(note, marker, gitlab.server_time())
        seen = Seen(
            marker,
            branch_exists=there is not None,
            merge_request=merge_request.state if merge_request else None,
            request=wish.request,
            asked=wish.asked,
            quiet_s=quiet_s,
            lease_s=wish.lease_s,
            moved=watch.moved,
        )
        step = decide(seen)
        if step is Next.WAIT:
            time.sleep(wish.lease_s / _LOOKS_PER_LEASE)
            continue
        if step is not Next.TAKE:
            return Standing(step, marker, merge_request, branch)
        try:
            claim = _claim(gitlab, wish, note, branch, working, is_there=there is not None)
        except PermanentError as error:
            _tell(gitlab, wish, note, branch, failed(error))
            raise
        if claim is not None:
            return claim


def _claim(  # noqa: PLR0913 - what `take` saw
    gitlab: GitLab,
    wish: Wish,
    note: Note | None,
    branch: str,
    working: Callable[[Marker], str],
    *,
    is_there: bool,
) -> Claim | None:
    """Make the branch and write the note; None if another run was quicker."""
    if wish.refusal is not None:
        raise wish.refusal
    marker = parse(note.body) if note else None
    if is_there:  # without a note nobody knows who made it: never take that one away
        base = marker.base if marker else None
    elif gitlab.create_branch(wish.project_id, branch, wish.ref) is False:
        return None
    else:
        made = gitlab.branch(wish.project_id, branch)
        base = made.commit_id if made else None
    return _announce(gitlab, wish, note, _marker(wish, marker, branch, base), working)


def _tell(gitlab: GitLab, wish: Wish, note: Note | None, branch: str, text: str) -> None:
    """Say on the issue why it was not claimed; never raises, or the reason would be lost."""
    earlier = parse(note.body) if note else None
    marker = _marker(wish, earlier, branch, earlier.base if earlier else None)
    body = f"{dataclasses.replace(marker, phase=Phase.FAILED).line()}\n{text}"
    try:
        if note is None:
            gitlab.write_note(wish.project_id, wish.iid, body, f"<!-- {KEY} ", wish.own_id)
        else:
            gitlab.edit_note(wish.project_id, wish.iid, note.id, body)
    except WorkflowsError as error:
        _log.error("the issue could not be told why: %s", redact(error.what))


def _marker(wish: Wish, earlier: Marker | None, branch: str, base: str | None) -> Marker:
    """Ours, keeping what an earlier run knew of the same request."""
    marker = Marker(
        owner=wish.owner,
        run=wish.run,
        phase=Phase.WORKING,
        branch=branch,
        request=wish.request,
        lease_s=wish.lease_s,
        asked_at=wish.asked_at,
        base=base,
    )
    if earlier is None:
        return marker
    marker = dataclasses.replace(marker, merge_request=earlier.merge_request)
    if earlier.request == wish.request:
        marker = dataclasses.replace(marker, head=earlier.head, evidence=earlier.evidence)
    return marker


def _announce(
    gitlab: GitLab, wish: Wish, note: Note | None, marker: Marker, working: Callable[[Marker], str]
) -> Claim | None:
    """Write the note; None if another run's marker is in it afterwards."""
    body = f"{marker.line()}\n{working(marker)}"
    line = f"<!-- {KEY} "
    if note is None:
        note = gitlab.write_note(
            wish.project_id, wish.iid, body, line, wish.own_id, look_first=False
        )
    else:
        gitlab.edit_note(wish.project_id, wish.iid, note.id, body)
        note = gitlab.note(wish.project_id, wish.iid, note.id)
    written = parse(note.body) if note else None
    if note is None or written is None or written.owner != wish.owner:
        return None
    return Claim(gitlab, wish, note.id, marker, working)


def say(  # noqa: PLR0913, PLR0917 - which note of which issue, and what
    gitlab: GitLab, project_id: int, iid: int, own_id: int, marker: Marker | None, text: str
) -> None:
    """Put `text` into our note without claiming the issue, where we have a note."""
    note = gitlab.find_note(project_id, iid, f"<!-- {KEY} ", own_id)
    if note is None or marker is None:
        return
    body = f"{marker.line()}\n{text}"
    if note.body != body:
        gitlab.edit_note(project_id, iid, note.id, body)


def busy(iid: int) -> IssueBusy:
    """The error of a run whose request another run, which works now, will not deal with."""
    return IssueBusy(
        f"another run works on issue {iid}, for an earlier request",
        why="it does not read what was said since",
        fix="run this again when that one has ended",
    )


@dataclass
class _Watch:
    """How long the claim of another run has been quiet: by GitLab's clock, then by ours."""

    lease_s: float
    moved: bool = False
    _looked: bool = False
    _state: tuple[str, int] | None = None
    _since: float = field(default_factory=time.monotonic)
    _age_s: float = 0.0

    def quiet(self, note: Note | None, marker: Marker | None, now: datetime) -> float:
        """Seconds without a sign of life; sets `moved` when there was one since the last look."""
        state = (marker.owner, marker.beat) if marker else None
        if state != self._state:
            self.moved = self._looked and state is not None
            self._age_s, self._since = 0.0, time.monotonic()
            if not self._looked and note is not None:
                self._age_s = max((now - note.updated_at).total_seconds(), 0.0)
        self._state, self._looked = state, True
        return self._age_s + time.monotonic() - self._since


class Claim:
    """A claim that is ours. Inside its `with` block a thread shows signs of life.

    Every write looks first whether the note still names us, so a run that was taken over (a
    machine that slept) notices, and stops at its next `check`.
    """

    def __init__(
        self,
        gitlab: GitLab,
        wish: Wish,
        note_id: int,
        marker: Marker,
        words: Callable[[Marker], str],
    ) -> None:
        self.marker = marker
        self._gitlab = gitlab
        self._wish = wish
        self._note_id = note_id
        self._words = words
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
        self._thread.join(_LAST_WORD_S)

    def check(self) -> None:
        """Return if the claim is still ours, as far as we know.

        Raises:
            ClaimLost: another run has it.
            IssueBusy: another run has it, and does not deal with our request.
        """
        if self._lost.is_set() and self._other is not None:
            raise busy(self._wish.iid)
        if self._lost.is_set():
            raise ClaimLost(
                f"another run has taken over issue {self._wish.iid}",
                why=f"this one showed no life for {self._wish.lease_s:.0f} s",
                fix="nothing: the other run goes on",
            )

    def keep(self, **facts: Any) -> None:
        """Put facts into the marker, for a run that has to go on after us.

        Raises:
            ClaimLost: another run has the claim.
        """
        with self._lock:
            self.marker = dataclasses.replace(self.marker, **facts)
            self._write(self._gitlab, self._words(self.marker))

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
        wish, body = self._wish, f"{self.marker.line()}\n{text}"
        note = gitlab.note(wish.project_id, wish.iid, self._note_id)
        if note is None:  # a person deleted it: nobody else works on the issue for that
            line = f"<!-- {KEY} "
            note = gitlab.write_note(wish.project_id, wish.iid, body, line, wish.own_id)
            self._note_id = note.id
        there = parse(note.body)
        if there is None or there.owner != wish.owner:
            if there is not None and not there.covers(wish.request, wish.asked):
                self._other = there
            self._lost.set()
            self.check()
        if note.body != body:
            gitlab.edit_note(wish.project_id, wish.iid, note.id, body)

    def _beat(self) -> None:
        """Show signs of life until told to stop or the claim is lost."""
        wait = min(self._wish.lease_s / _BEATS_PER_LEASE, _LONGEST_BEAT_S)
        if self._stop.wait(wait):
            return
        with self._gitlab.again() as gitlab:  # a session serves one thread
            while self._beat_once(gitlab) and not self._stop.wait(wait):
                pass

    def _beat_once(self, gitlab: GitLab) -> bool:
        """One sign of life; False when there is no use in another."""
        with self._lock:
            if self._stop.is_set():
                return False
            self.marker = dataclasses.replace(self.marker, beat=self.marker.beat + 1)
            try:
                self._write(gitlab, self._words(self.marker))
            except (ClaimLost, IssueBusy):
                return False
            except WorkflowsError as error:
                _log.warning("no sign of life could be given: %s", redact(error.what))
        return True
