"""What carries out jobs, as the app sees it: all that a new backend has to offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import Counter

    from starlette.types import ASGIApp

    from workflows.task_runner.job import TaskJob
    from workflows.task_runner.jobs import TaskJobs


class JobBackend(Protocol):
    """Carries out jobs. Only `log` and `close` may block. Each state goes to `TaskJobs.move`."""

    name: str

    def attach(self, jobs: TaskJobs) -> None:
        """Take over the table of jobs, once, before anything else.

        Jobs in it that have not ended are of an earlier process: find them again or end them.
        """

    def start(self, job: TaskJob) -> None:
        """Begin a new job; its states come later, through `TaskJobs.move`."""

    def cancel(self, job: TaskJob) -> None:
        """Stop a job that has not ended: to CANCELLING, then CANCELLED. Safe to repeat."""

    def refresh(self, job: TaskJob) -> float | None:
        """Bring a job's state up to date before it is shown.

        The seconds until it ends; None if the backend calls `TaskJobs.move` by itself.
        """

    def log(self, job: TaskJob) -> str:
        """What the job has written so far, or where that can be read."""

    def wrap_app(self, app: ASGIApp, faults: Counter[str]) -> ASGIApp:
        """The app that is served in place of `app`; `faults` counts what is injected, by kind."""
        return app

    def close(self) -> None:
        """Stop everything that runs here, and wait for it."""
