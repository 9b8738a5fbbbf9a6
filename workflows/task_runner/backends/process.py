"""A backend that runs jobs as processes of this machine: a command for each image, from a map."""

from __future__ import annotations

import signal
import threading
from collections import deque
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import WorkflowsError
from workflows.core.process import kernel, supervised
from workflows.core.redaction import redact
from workflows.task_runner.backends.backend import JobBackend
from workflows.task_runner.job import TaskJobState

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.task_runner.backends.images import Image, ImageMap
    from workflows.task_runner.job import TaskJob
    from workflows.task_runner.jobs import TaskJobs

GRACE_S = 10.0
_CLOSE_GRACE_S = 1.0
_QUOTED = 300


class Processes(JobBackend):
    """Runs up to `workers` jobs at once, the others wait in the order they came.

    A job has a folder of its own below `folder`, where it runs, with its `log` beside it. Its
    environment is a short list of ours (PATH, proxies, certificates), then the map's, then the
    job's, then WORKFLOWS_JOB_ID and WORKFLOWS_JOB_NAME. A cancelled or late one gets SIGTERM, and
    SIGKILL after `grace_s` seconds; both go to its whole process group.
    """

    name = "process"

    def __init__(
        self, images: ImageMap, folder: Path, *, workers: int = 8, grace_s: float = GRACE_S
    ) -> None:
        self._images = images
        self._folder = folder
        self._workers = workers
        self._grace_s = grace_s
        self._jobs: TaskJobs
        self._changed = threading.Condition()
        self._waiting: deque[TaskJob] = deque()
        self._stops: dict[str, supervised.StopRequest] = {}
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._closed = False

    def attach(self, jobs: TaskJobs) -> None:
        """Take over the jobs. Those of an earlier Task Runner that have not ended fail.

        If their processes still run, they are killed with their process groups before.
        """
        self._jobs = jobs
        for job in jobs.alive():
            _end_leftover(job.remote)
            cancelled = job.state is TaskJobState.CANCELLING
            state = TaskJobState.CANCELLED if cancelled else TaskJobState.FAILED
            message = "the Task Runner stopped while this job was not done"
            jobs.move(job, state, message=message)

    def start(self, job: TaskJob) -> None:
        """Queue the job."""
        if self._images.find(job.request.image) is None:
            known = ", ".join(sorted(self._images.images)[:20])
            message = f"no image {job.request.image!r} in {self._images.source}; it has {known}"
            self._jobs.move(job, TaskJobState.FAILED, message=message[:1_000])
            return
        self._jobs.move(job, TaskJobState.QUEUED)
        with self._changed:
            self._stops[job.id] = supervised.StopRequest(self._grace_s)
            self._waiting.append(job)
            if self._idle < len(self._waiting) and len(self._threads) < self._workers:
                thread = threading.Thread(target=self._work, name="job", daemon=True)
                self._threads.add(thread)
                thread.start()
            self._changed.notify()

    def _work(self) -> None:
        """Run jobs one after another until the runner closes."""
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._idle -= 1
                if self._closed:
                    return
                job = self._waiting.popleft()
                stop = self._stops.get(job.id)
            if stop is not None:
                self._carry_out(job, stop)
            with self._changed:
                self._stops.pop(job.id, None)

    def _carry_out(self, job: TaskJob, stop: supervised.StopRequest) -> None:
        image = self._images.find(job.request.image)
        if image is None or not self._jobs.move(job, TaskJobState.LOADING):
            self._jobs.move(job, TaskJobState.CANCELLED, message="cancelled before it began")
            return
        try:
            ended = self._run(job, image, stop)
        except (WorkflowsError, OSError, ValueError) as error:
            self._jobs.move(job, TaskJobState.FAILED, message=redact(str(error)))
            return
        self._end(job, image, ended)

    def _run(
        self, job: TaskJob, image: Image, stop: supervised.StopRequest
    ) -> supervised.SupervisedEnd:
        folder = self._folder / job.id / "work"
        folder.mkdir(parents=True)
        mine = {"WORKFLOWS_JOB_ID": job.id, "WORKFLOWS_JOB_NAME": job.request.name}
        env = environment.for_child(
            ({"HOME": str(folder)} | image.env | dict(job.request.env) | mine).items()
        )
        return supervised.run_supervised(
            [*image.argv, *job.request.args],
            env=env,
            folder=folder,
            log=self._log_file(job),
            timeout_s=image.timeout,
            stop=stop,
            on_start=lambda pid: self._jobs.note_remote(job, _identity(pid)),
        )

    def _end(self, job: TaskJob, image: Image, ended: supervised.SupervisedEnd) -> None:
        """Set the final state of a job."""
        if ended.stopped and self._closed:
            message = "the Task Runner stopped while this job was not done"
            self._jobs.move(job, TaskJobState.FAILED, message=message)
        elif ended.stopped:
            self._jobs.move(job, TaskJobState.CANCELLED, message="cancelled")
        elif ended.timed_out:
            message = f"it ran longer than {image.timeout:g} s"
            self._jobs.move(
                job, TaskJobState.FAILED, message=message, exit_code=_shown(ended.exit_code)
            )
        elif ended.exit_code == 0:
            self._jobs.move(job, TaskJobState.SUCCEEDED, exit_code=0)
        else:
            message = self._failure(job, ended.exit_code)
            self._jobs.move(
                job, TaskJobState.FAILED, message=message, exit_code=_shown(ended.exit_code)
            )

    def _failure(self, job: TaskJob, exit_code: int) -> str:
        """How the process ended, with the last line it wrote."""
        how = f"exit code {exit_code}"
        if exit_code < 0:
            how = f"ended by {signal.Signals(-exit_code).name}"
        lines = supervised.log_tail(self._log_file(job), 4_096).strip().splitlines()
        return f"{how}: {redact(lines[-1])[:_QUOTED]}" if lines else how

    def cancel(self, job: TaskJob) -> None:
        """Stop a job: one that waits ends at once, one that runs when its process has."""
        self._jobs.move(job, TaskJobState.CANCELLING)
        with self._changed:
            waits = job in self._waiting
            if waits:
                self._waiting.remove(job)
                self._stops.pop(job.id, None)
            stop = self._stops.get(job.id)
        if waits:
            self._jobs.move(job, TaskJobState.CANCELLED, message="cancelled before it began")
        elif stop:
            stop.ask()

    def refresh(self, job: TaskJob) -> float | None:
        """None: the worker threads report each change."""
        return None

    def log(self, job: TaskJob) -> str:
        """Both output streams as they came, the last 8 MiB."""
        return supervised.log_tail(self._log_file(job))

    def _log_file(self, job: TaskJob) -> Path:
        return self._folder / job.id / "log"

    def close(self) -> None:
        """Stop every job (SIGTERM, a second, SIGKILL) and wait for the threads."""
        with self._changed:
            self._closed = True
            stops = list(self._stops.values())
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for stop in stops:
            stop.grace_s = min(stop.grace_s, _CLOSE_GRACE_S)
            stop.ask()
        for job in waiting:
            message = "the Task Runner stopped before this job began"
            self._jobs.move(job, TaskJobState.FAILED, message=message)
        for thread in list(self._threads):
            thread.join(_CLOSE_GRACE_S * 2)


def _identity(pid: int) -> str:
    """The pid and the start time, which a later process of that pid lacks; empty if unknown."""
    found = kernel.process_entry(pid)
    return f"{pid} {found.started}" if found else ""


def _end_leftover(identity: str) -> None:
    pid = int(identity.partition(" ")[0] or 0)
    if pid and _identity(pid) == identity:
        process.ProcessGroup(pid).signal(signal.SIGKILL)


def _shown(exit_code: int) -> int:
    """The exit code as a shell shows it: 128 plus the signal's number."""
    return 128 - exit_code if exit_code < 0 else exit_code
