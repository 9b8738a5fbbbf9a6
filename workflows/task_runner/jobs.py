"""The table of jobs and who waits for them. Backends run the jobs, see `backends/backend.py`.

Safe for threads: every change of a job goes through `TaskJobs`, which holds one lock.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from workflows.task_runner.job import JobRequest, TaskJob, TaskJobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.task_runner.journal import JobJournal

MAX_KEPT = 250_000  # ended jobs beyond this are forgotten, the oldest first


class KeyReused(Exception):
    """An idempotency key came again with another body."""


class TaskJobs:
    """All jobs since the start (with a journal: since its first line).

    `ran` counts the jobs that were made of each name. A request that was repeated with the same
    idempotency key counts once.
    """

    def __init__(self, journal: JobJournal | None = None) -> None:
        self.ran: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._journal = journal
        self._by_id: dict[str, TaskJob] = {}
        self._by_name: dict[str, list[TaskJob]] = {}
        self._by_key: dict[str, tuple[str, TaskJob]] = {}
        self._start = secrets.token_hex(4)  # ids of an earlier process never come again
        self._number = 0
        for job, key, fingerprint in journal.replay() if journal else ():
            self._add(job)
            if key:
                self._by_key[key] = (fingerprint, job)

    def create(self, request: JobRequest, key: str = "") -> tuple[TaskJob, bool]:
        """Make a job, and True; or the job that this key made before, and False.

        Raises:
            KeyReused: the key belongs to a job with another request.
        """
        with self._lock:
            fingerprint = request.fingerprint if key or self._journal else ""
            known = self._by_key.get(key) if key else None
            if known:
                if known[0] != fingerprint:
                    raise KeyReused
                return known[1], False
            self._number += 1
            job = TaskJob(
                f"{self._start}-{self._number}", request, self.ran[request.name] + 1, time.time()
            )
            if key:
                self._by_key[key] = (fingerprint, job)
            if self._journal:
                self._journal.created(job, key, fingerprint)
            self._add(job)
            return job, True

    def _add(self, job: TaskJob) -> None:
        self.ran[job.request.name] += 1
        self._by_id[job.id] = job
        self._by_name.setdefault(job.request.name, []).append(job)
        if len(self._by_id) > MAX_KEPT:
            self._forget()

    def _forget(self) -> None:
        """Drop the oldest ended jobs: a tenth of all, so that this happens rarely."""
        ended = [job for job in self._by_id.values() if job.state.final][: MAX_KEPT // 10]
        for job in ended:
            del self._by_id[job.id]
            named = self._by_name[job.request.name]
            named.remove(job)
            if not named:
                del self._by_name[job.request.name]
        gone = {job.id for job in ended}
        self._by_key = {k: v for k, v in self._by_key.items() if v[1].id not in gone}

    def find(self, job_id: str) -> TaskJob | None:
        """The job of this id."""
        return self._by_id.get(job_id)

    def named(self, name: str) -> list[TaskJob]:
        """The jobs of this name, newest first."""
        with self._lock:
            return self._by_name.get(name, [])[::-1]

    def alive(self) -> list[TaskJob]:
        """The jobs that have not ended."""
        with self._lock:
            return [job for job in self._by_id.values() if not job.state.final]

    def move(
        self,
        job: TaskJob,
        state: TaskJobState,
        *,
        message: str = "",
        exit_code: int | None = None,
        remote: str = "",
    ) -> bool:
        """Set the state of a job and call its listeners. False: the job had this state for good.

        A job that has ended stays as it is; one that is being cancelled can only end.
        """
        with self._lock:
            if not job.state.may_become(state):
                return False
            job.state = state
            job.message = message or job.message
            job.exit_code = exit_code
            job.remote = remote or job.remote
            if self._journal:
                self._journal.moved(job)
            listeners = job.listeners if state.final else None
            if listeners:
                job.listeners = None
        for callback in listeners or ():
            callback()
        return True

    def note_remote(self, job: TaskJob, remote: str) -> None:
        """Set `remote`; the state stays."""
        with self._lock:
            job.remote = remote
            if self._journal:
                self._journal.moved(job)

    def listen(self, job: TaskJob, callback: Callable[[], object]) -> bool:
        """Call `callback` once, from any thread, when the job ends. False: it has ended."""
        with self._lock:
            if job.state.final:
                return False
            job.listeners = [*(job.listeners or ()), callback]
            return True

    def stop_listening(self, job: TaskJob, callback: Callable[[], object]) -> None:
        """Undo `listen`. Safe to repeat."""
        with self._lock:
            job.listeners = [one for one in job.listeners or () if one is not callback] or None
