"""What carries jobs out, as the app sees it. The three are `mock`, `processes` and `cloud_run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workflows.task_runner.job import TaskJob
    from workflows.task_runner.jobs import TaskJobs


class JobBackend(Protocol):
    """Carries jobs out. No method blocks but `close` and `log`."""

    name: str

    def attach(self, jobs: TaskJobs) -> None:
        """Take over the jobs: those of an earlier process that are alive are dealt with here."""

    def start(self, job: TaskJob) -> None:
        """Begin a new job; its states come later, through `TaskJobs.move`."""

    def cancel(self, job: TaskJob) -> None:
        """Stop a job that has not ended: to CANCELLING, then CANCELLED; twice is harmless."""

    def look(self, job: TaskJob) -> float | None:
        """Bring a job up to date; in how many seconds it ends by the clock, None: it will tell."""

    def log(self, job: TaskJob) -> str:
        """What the job has written so far, or where that can be read."""

    def close(self) -> None:
        """Stop everything that runs here and wait for it."""
