"""A backend that runs each image as a Cloud Run job: one job an image, one execution a job of ours.

Each execution carries the id of our job in an environment variable. So it is found again after a
lost answer or a restart, and is not started twice. Executions go on when the Task Runner ends.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from workflows.core.errors import PermanentError, RequestRefused, TransientError, WorkflowsError
from workflows.core.google import executions
from workflows.core.google.executions import ExecutionMark
from workflows.core.redaction import redact
from workflows.task_runner.backends.backend import JobBackend
from workflows.task_runner.job import TaskJobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.core.google.cloud_run import CloudRunApi, Json
    from workflows.task_runner.job import TaskJob
    from workflows.task_runner.jobs import TaskJobs

_THREADS = 16
_TRIES = 5
_SLUG = 30
_READY_S = 60
_JOB_ID = "WORKFLOWS_JOB_ID"


@dataclass(frozen=True)
class CloudRunOptions:
    """`timeout_s` bounds each execution, `poll_s` is the pause between two polls, in seconds."""

    service_account: str = ""
    timeout_s: float = 3600
    poll_s: float = 2.0


class CloudRunJobs(JobBackend):
    """Creates the job of an image when it is first asked for, and changes it where it differs."""

    name = "cloud-run"

    def __init__(self, api: CloudRunApi, options: CloudRunOptions | None = None) -> None:
        self._api = api
        self._options = options or CloudRunOptions()
        self._jobs: TaskJobs
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cloud-run")
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._image_locks: dict[str, threading.Lock] = {}
        self._ready: set[str] = set()

    def attach(self, jobs: TaskJobs) -> None:
        """Take over the jobs; those of an earlier process are found again in Cloud Run."""
        self._jobs = jobs
        for job in jobs.alive():
            if not job.remote:
                self._submit(self._adopt, job)
        threading.Thread(target=self._watch, name="cloud-run-watch", daemon=True).start()

    def _submit(self, work: Callable[[TaskJob], None], job: TaskJob) -> None:
        with suppress(RuntimeError):  # closed: `attach` of the next process finds the job
            self._pool.submit(self._guarded, work, job)

    def _guarded(self, work: Callable[[TaskJob], None], job: TaskJob) -> None:
        """Do the work; any exception, also of a defect, makes the job fail."""
        try:
            work(job)
        except Exception as error:  # noqa: BLE001 - a job must not hang because a thread died
            self._jobs.move(job, TaskJobState.FAILED, message=redact(str(error))[:1_000])

    def start(self, job: TaskJob) -> None:
        """Have an execution started."""
        self._submit(self._begin, job)

    def _begin(self, job: TaskJob) -> None:
        if job.state is TaskJobState.CANCELLING:
            self._jobs.move(job, TaskJobState.CANCELLED, message="cancelled before it began")
            return
        job_id = job_id_of(job.request.image)
        self._ensure(job_id, job.request.image)
        mark = ExecutionMark(_JOB_ID, job.id)
        env = dict(job.request.env) | {"WORKFLOWS_JOB_NAME": job.request.name}
        request = executions.start_request(mark, job.request.args, env)
        self._started(job, self._api.start_once(job_id, request, mark, stop=self._closed))

    def _adopt(self, job: TaskJob) -> None:
        """Find the execution of a job whose start was cut off by the end of an earlier process."""
        found = self._api.find_execution(
            job_id_of(job.request.image), ExecutionMark(_JOB_ID, job.id)
        )
        if found:
            self._started(job, found)
            return
        message = "the Task Runner stopped before Cloud Run took this job"
        self._jobs.move(job, TaskJobState.FAILED, message=message)

    def _started(self, job: TaskJob, execution: str) -> None:
        self._jobs.note_remote(job, execution)
        if job.state is TaskJobState.CANCELLING:
            self._cancel(job)
        else:
            self._jobs.move(job, TaskJobState.QUEUED)

    def _ensure(self, job_id: str, image: str) -> None:
        """Create or change the Cloud Run job of an image, once in this process."""
        with self._lock:
            lock = self._image_locks.setdefault(job_id, threading.Lock())
        with lock:
            if job_id in self._ready:
                return
            template = self._template(image)
            found = self._api.job(job_id)
            if found is None:
                self._api.create(job_id, template)
            elif not _fits(found, template):
                self._api.update(job_id, template)
            self._settle(job_id)
            self._ready.add(job_id)

    def _settle(self, job_id: str) -> None:
        """Wait until the job can be run: a change takes Cloud Run some seconds."""
        for _ in range(_READY_S):
            found = self._api.job(job_id)
            if found is not None and not found.get("reconciling"):
                return
            if self._closed.wait(1):
                return

    def _template(self, image: str) -> Json:
        task: Json = {
            "containers": [{"image": image}],
            "maxRetries": 0,
            "timeout": f"{self._options.timeout_s:g}s",
        }
        if self._options.service_account:
            task["serviceAccount"] = self._options.service_account
        return {"taskCount": 1, "template": task}

    # --- watching ----------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closed.wait(self._options.poll_s):
            alive = [job for job in self._jobs.alive() if job.remote]
            with suppress(RuntimeError):  # closed in between
                list(self._pool.map(partial(self._guarded, self._poll), alive))

    def _poll(self, job: TaskJob) -> None:
        try:
            execution = self._api.execution(job.remote)
        except TransientError:
            return  # may succeed at the next poll
        except (PermanentError, ValueError) as error:
            self._jobs.move(
                job, TaskJobState.FAILED, message=redact(f"its execution cannot be read: {error}")
            )
            return
        state, message = job_outcome(execution)
        if state is TaskJobState.FAILED:
            self._jobs.move(job, state, message=message, exit_code=self._exit_code(job))
        elif state is TaskJobState.SUCCEEDED:
            self._jobs.move(job, state, exit_code=0)
        elif state is not job.state:
            self._jobs.move(job, state, message=message)

    def _exit_code(self, job: TaskJob) -> int | None:
        try:
            return self._api.exit_code(job.remote)
        except (WorkflowsError, ValueError):  # optional: the role may lack run.tasks.list
            return None

    def cancel(self, job: TaskJob) -> None:
        """Have the execution cancelled; the state follows when Cloud Run says so."""
        self._jobs.move(job, TaskJobState.CANCELLING)
        if job.remote:
            self._submit(self._cancel, job)

    def _cancel(self, job: TaskJob) -> None:
        """Cancel the execution; one that has just ended refuses, which `_poll` will find."""
        for attempt in range(_TRIES):
            try:
                self._api.cancel(job.remote)
            except RequestRefused:
                return
            except TransientError:
                self._closed.wait(0.5 * 2**attempt)
            else:
                return

    def refresh(self, job: TaskJob) -> float | None:
        """None: the polling thread reports each change."""
        return None

    def log(self, job: TaskJob) -> str:
        """Where Cloud Run keeps the log."""
        if not job.remote:
            return ""
        try:
            execution = self._api.execution(job.remote)
        except WorkflowsError as error:
            return f"{job.remote}\n{redact(str(error))}\n"
        return f"{job.remote}\n{execution.get('logUri', '')}\n"

    def close(self) -> None:
        """Stop watching; executions go on, and are found again with the journal."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def job_id_of(image: str) -> str:
    """The id of the Cloud Run job of an image: readable, unique, at most 49 characters."""
    bare = re.split(r"[@:]", image.rpartition("/")[2])[0].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", bare).strip("-")[:_SLUG].strip("-")
    return f"tr-{slug or 'image'}-{sha256(image.encode()).hexdigest()[:10]}"


def job_outcome(execution: Json) -> tuple[TaskJobState, str]:
    """The state of the job, by the conditions of its execution, and their message, redacted."""
    ended, message = executions.execution_outcome(execution)
    if ended:
        return TaskJobState[ended.upper()], redact(message)
    return (TaskJobState.LOADING if execution.get("startTime") else TaskJobState.QUEUED), ""


def _fits(job: Json, template: Json) -> bool:
    """Whether a job has all that our template says; Cloud Run adds its defaults."""
    found, wanted = job.get("template", {}).get("template", {}), template["template"]
    images = [one.get("image") for one in found.get("containers") or []]
    return images == [wanted["containers"][0]["image"]] and all(
        found.get(name, 0) == wanted[name]
        for name in ("maxRetries", "timeout", "serviceAccount")
        if name in wanted
    )
