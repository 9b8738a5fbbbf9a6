"""Jobs, their states, and who waits for them. It runs nothing; backends do (`backend.py`).

Safe to use from threads: every change of a job goes through its `Jobs`, which holds one lock.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workflows.task_runner.journal import Journal

MAX_KEPT = 250_000  # ended jobs beyond this are forgotten, the oldest first


class State(StrEnum):
    """What a job may be; the names are the protocol's. LOADING is what others call running."""

    NEW = "NEW"
    QUEUED = "QUEUED"
    LOADING = "LOADING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Whether a job stays in this state for good."""
        return self in _FINAL


_FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: a checked body of POST /job."""

    name: str
    image: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal for equal orders; goes to the journal in place of the variables' values."""
        from hashlib import sha256  # noqa: PLC0415 - only where a key or a journal is used

        text = repr((self.name, self.image, self.args, sorted(self.env.items())))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(slots=True, eq=False)
class Job:
    """One job. `created_at` is in seconds since 1970; `remote` is its name where it runs."""

    id: str
    order: Order
    run: int  # 1 for the first job of this name, 2 for the next
    created_at: float
    state: State = State.NEW
    message: str = ""
    exit_code: int | None = None
    remote: str = ""
    due_at: float = 0.0  # for backends whose jobs end by the clock
    listeners: list[Callable[[], object]] | None = None

    def facts(self) -> dict[str, str | int]:
        """The job as the protocol shows it."""
        shown: dict[str, str | int] = {"jobId": self.id, "state": self.state.value}
        if self.message:
            shown["message"] = self.message
        if self.exit_code is not None:
            shown["exitCode"] = self.exit_code
        return shown


class KeyReused(Exception):
    """An idempotency key came again with another body."""


class Jobs:
    """All jobs since the start (with a journal: since its first line).

    `ran` counts for each name how many jobs were really made of it: what a client did twice, or
    what a repeated request did not do twice, shows here.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.ran: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._journal = journal
        self._by_id: dict[str, Job] = {}
        self._by_name: dict[str, list[Job]] = {}
        self._by_key: dict[str, tuple[str, Job]] = {}
        self._start = secrets.token_hex(4)  # ids of an earlier process never come again
        self._number = 0
        for job, key, fingerprint in journal.replay() if journal else ():
            self._add(job)
            if key:
                self._by_key[key] = (fingerprint, job)

    def create(self, order: Order, key: str = "") -> tuple[Job, bool]:
        """The job of this order, and whether it is new; an equal key finds the job it made.

        Raises:
            KeyReused: the key belongs to a job of another order.
        """
        with self._lock:
            fingerprint = order.fingerprint if key or self._journal else ""
            known = self._by_key.get(key) if key else None
            if known:
                if known[0] != fingerprint:
                    raise KeyReused
                return known[1], False
            self._number += 1
            job = Job(f"{self._start}-{self._number}", order, self.ran[order.name] + 1, time.time())
            if key:
                self._by_key[key] = (fingerprint, job)
            if self._journal:
                self._journal.created(job, key, fingerprint)
            self._add(job)
            return job, True

    def _add(self, job: Job) -> None:
        self.ran[job.order.name] += 1
        self._by_id[job.id] = job
        self._by_name.setdefault(job.order.name, []).append(job)
        if len(self._by_id) > MAX_KEPT:
            self._forget()

    def _forget(self) -> None:
        """Drop a tenth of the ended jobs, the oldest, so that this is rare."""
        ended = [job for job in self._by_id.values() if job.state.final][: MAX_KEPT // 10]
        for job in ended:
            del self._by_id[job.id]
            named = self._by_name[job.order.name]
            named.remove(job)
            if not named:
                del self._by_name[job.order.name]
        gone = {job.id for job in ended}
        self._by_key = {k: v for k, v in self._by_key.items() if v[1].id not in gone}

    def find(self, job_id: str) -> Job | None:
        """The job of this id."""
        return self._by_id.get(job_id)

    def named(self, name: str) -> list[Job]:
        """The jobs of this name, newest first."""
        with self._lock:
            return self._by_name.get(name, [])[::-1]

    def alive(self) -> list[Job]:
        """The jobs that have not ended."""
        with self._lock:
            return [job for job in self._by_id.values() if not job.state.final]

    def move(
        self,
        job: Job,
        state: State,
        *,
        message: str = "",
        exit_code: int | None = None,
        remote: str = "",
    ) -> bool:
        """Put a job into another state and tell who waits. False: it had ended, or is cancelled.

        A job that is being cancelled goes to a final state only.
        """
        with self._lock:
            if job.state.final or (job.state is State.CANCELLING and not state.final):
                return False
            job.state = state
            job.message = message or job.message
            job.exit_code = exit_code
            job.remote = remote or job.remote
            if self._journal:
                self._journal.moved(job)
            told = job.listeners if state.final else None
            if told:
                job.listeners = None
        for tell in told or ():
            tell()
        return True

    def note_remote(self, job: Job, remote: str) -> None:
        """Remember what the job is called where it runs; its state stays."""
        with self._lock:
            job.remote = remote
            if self._journal:
                self._journal.moved(job)

    def listen(self, job: Job, tell: Callable[[], object]) -> bool:
        """Have `tell` called once, from any thread, when the job has ended. False: it has."""
        with self._lock:
            if job.state.final:
                return False
            job.listeners = [*(job.listeners or ()), tell]
            return True

    def stop_listening(self, job: Job, tell: Callable[[], object]) -> None:
        """Take back `listen`; harmless where it is over."""
        with self._lock:
            job.listeners = [one for one in job.listeners or () if one is not tell] or None
