"""Executions: tasks as real child processes, with attempts, timeouts, logs and a cancel."""

from __future__ import annotations

import secrets
import string
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.core.config import environment
from workflows.core.errors import WorkflowsError
from workflows.core.process import supervised
from workflows.local.cloud_run.model import CloudRunJob, ExecutionSpec, Json, now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_LETTERS = string.ascii_lowercase + string.digits
_MAX_THREADS = 32
_CLOSE_GRACE_S = 1.0


@dataclass
class ExecutionTask:
    """One task of an execution; `exit_codes` has an entry for each attempt that ended.

    `start_time` is when the process of the first attempt had started.
    """

    index: int
    exit_codes: list[int] = field(default_factory=list)
    state: str = "waiting"  # waiting, running, succeeded, failed, cancelled
    message: str = ""
    start_time: str = ""
    completion_time: str = ""

    def started(self) -> None:
        """A process of this task runs."""
        self.start_time = self.start_time or now()


class CloudRunExecution:
    """One execution of a job. Ids are `<job>-<5 characters>`, as Cloud Run makes them."""

    def __init__(
        self, job: CloudRunJob, spec: ExecutionSpec, folder: Path, *, grace_s: float
    ) -> None:
        self.id = f"{job.id}-{''.join(secrets.choice(_LETTERS) for _ in range(5))}"
        self.job = job
        self.spec = spec
        self.name = f"{job.name}/executions/{self.id}"
        self.folder = folder / self.id
        self.uid = secrets.token_hex(16)
        self.tasks = [ExecutionTask(index) for index in range(spec.task_count)]
        self.create_time = self.update_time = now()
        self.start_time = self.completion_time = ""
        self.cancelled = threading.Event()
        self.ended = threading.Event()
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._stops: list[supervised.StopRequest] = []

    # --- outcome -----------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`pending`, `running`, `succeeded`, `failed` or `cancelled`."""
        if not self.ended.is_set():
            return "running" if self.start_time else "pending"
        if all(task.state == "succeeded" for task in self.tasks):
            return "succeeded"
        return "cancelled" if self.cancelled.is_set() else "failed"

    @property
    def exit_codes(self) -> list[int]:
        """Exit codes of every attempt of every task; a negative one is the number of a signal."""
        return [code for task in self.tasks for code in task.exit_codes]

    def log(self, index: int = 0) -> str:
        """The output of a task, of all attempts in order."""
        return supervised.log_tail(self._log_file(index))

    def _log_file(self, index: int) -> Path:
        return self.folder / f"task-{index}.log"

    # --- running -----------------------------------------------------------------------------

    def run(self, argv: list[str], secret: Callable[[str, str], str]) -> None:
        """Run all tasks to their end; for a thread of its own."""
        self.start_time = self.update_time = now()
        workers = min(self.spec.parallelism, _MAX_THREADS)
        try:
            with ThreadPoolExecutor(workers, thread_name_prefix=self.id) as pool:
                list(pool.map(lambda task: self._task(task, argv, secret), self.tasks))
        finally:
            self.completion_time = self.update_time = now()
            self.ended.set()

    def _task(
        self, task: ExecutionTask, argv: list[str], secret: Callable[[str, str], str]
    ) -> None:
        try:
            self._attempts(task, argv, secret)
        except (WorkflowsError, OSError, ValueError, KeyError) as error:
            task.state, task.message = "failed", f"The container could not be started: {error}"
        finally:
            task.completion_time = now()

    def _attempts(
        self, task: ExecutionTask, argv: list[str], secret: Callable[[str, str], str]
    ) -> None:
        for attempt in range(self.spec.max_retries + 1):
            stop = supervised.StopRequest(self._grace_s)
            with self._lock:
                self._stops.append(stop)
                if self.cancelled.is_set():
                    break
            task.state = "running"
            ended = self._attempt(task, attempt, argv, secret, stop)
            task.exit_codes.append(ended.exit_code)
            if ended.stopped:
                break
            if ended.exit_code == 0 and not ended.timed_out:
                task.state = "succeeded"
                return
            task.state = "failed"
            task.message = "The container exited with an error."
            if ended.timed_out:
                task.message = "The configured timeout was reached."
        if self.cancelled.is_set() and task.state != "failed":
            task.state, task.message = "cancelled", "Cancelled by the user."

    def _attempt(
        self,
        task: ExecutionTask,
        attempt: int,
        argv: list[str],
        secret: Callable[[str, str], str],
        stop: supervised.StopRequest,
    ) -> supervised.SupervisedEnd:
        folder = self.folder / f"task-{task.index}-attempt-{attempt}"
        folder.mkdir(parents=True)
        own = {
            "CLOUD_RUN_JOB": self.job.id,
            "CLOUD_RUN_EXECUTION": self.id,
            "CLOUD_RUN_TASK_INDEX": str(task.index),
            "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
            "CLOUD_RUN_TASK_COUNT": str(self.spec.task_count),
        }
        given = _resolved(self.spec.env, secret)
        return supervised.run_supervised(
            [*argv, *self.spec.args],
            env=environment.for_child(({"HOME": str(folder)} | given | own).items()),
            folder=folder,
            log=self._log_file(task.index),
            timeout_s=self.spec.timeout_s,
            stop=stop,
            on_start=lambda _: task.started(),
        )

    def cancel(self) -> None:
        """Send SIGTERM to every task, and SIGKILL after the grace; no further attempt begins."""
        self._stop(self._grace_s)

    def close(self) -> None:
        """Cancel with a grace of one second at most, because the server stops."""
        self._stop(min(self._grace_s, _CLOSE_GRACE_S))

    def _stop(self, grace_s: float) -> None:
        with self._lock:
            self.cancelled.set()
            stops = list(self._stops)
        self.update_time = now()
        for stop in stops:
            stop.grace_s = grace_s
            stop.ask()

    # --- as the API shows it -----------------------------------------------------------------

    def shown(self, log_uri: str) -> Json:
        """The execution as the API answers it."""
        states = [task.state for task in self.tasks]
        found = {
            "name": self.name,
            "uid": self.uid,
            "generation": "1",
            "labels": self.spec.template.get("labels") or {},
            "createTime": self.create_time,
            "updateTime": self.update_time,
            "job": self.job.id,
            "parallelism": self.spec.parallelism,
            "taskCount": self.spec.task_count,
            "template": self.spec.template["template"],
            "reconciling": not self.ended.is_set(),
            "conditions": self._conditions(),
            "runningCount": states.count("running"),
            "succeededCount": states.count("succeeded"),
            "failedCount": states.count("failed"),
            "cancelledCount": states.count("cancelled"),
            "retriedCount": sum(max(len(task.exit_codes) - 1, 0) for task in self.tasks),
            "logUri": log_uri,
        }
        times = {"startTime": self.start_time, "completionTime": self.completion_time}
        return found | {name: value for name, value in times.items() if value}

    def _conditions(self) -> list[Json]:
        state = self.state
        completed: Json = {"type": "Completed", "lastTransitionTime": self.update_time}
        completed["state"] = {
            "pending": "CONDITION_PENDING",
            "running": "CONDITION_RECONCILING",
            "succeeded": "CONDITION_SUCCEEDED",
        }.get(state, "CONDITION_FAILED")
        if state == "cancelled":
            completed["executionReason"] = "CANCELLED"
            completed["message"] = f"Execution {self.id} has been cancelled."
        elif state == "failed":
            completed["executionReason"] = "NON_ZERO_EXIT_CODE"
            completed["message"] = self.failure
        elif self.cancelled.is_set() and state != "succeeded":
            completed["executionReason"] = "CANCELLING"
        return [completed]

    @property
    def failure(self) -> str:
        """The message about the first task that failed; empty if none did."""
        failed = [task for task in self.tasks if task.state == "failed"]
        if not failed:
            return ""
        return f"Task {self.id}-task{failed[0].index} failed with message: {failed[0].message}"

    def shown_tasks(self) -> list[Json]:
        """The tasks as the API answers them."""
        return [self._shown_task(task) for task in self.tasks]

    def _shown_task(self, task: ExecutionTask) -> Json:
        found: Json = {
            "name": f"{self.name}/tasks/{self.id}-task{task.index}",
            "job": self.job.id,
            "execution": self.id,
            "index": task.index,
            "retried": max(len(task.exit_codes) - 1, 0),
            "createTime": self.create_time,
        }
        times = {"startTime": task.start_time, "completionTime": task.completion_time}
        found |= {name: value for name, value in times.items() if value}
        if task.exit_codes:
            last = task.exit_codes[-1]
            result: Json = {"exitCode": 128 - last if last < 0 else last}
            if last:
                result["status"] = {"code": 9, "message": task.message}
            found["lastAttemptResult"] = result
        return found


def _resolved(
    env: Mapping[str, str | tuple[str, str]], secret: Callable[[str, str], str]
) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else secret(*value) for name, value in env.items()
    }
