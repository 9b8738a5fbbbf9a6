"""A Task Runner to start: the app, its jobs and a backend, `with runner.serve() as base_url`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflows.servers.serving import HOST, serve_app
from workflows.task_runner.app import TaskRunnerApi
from workflows.task_runner.jobs import TaskJobs
from workflows.task_runner.journal import JobJournal

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from workflows.task_runner.auth import TokenCheck
    from workflows.task_runner.backends.backend import JobBackend


class TaskRunner:
    """The protocol over one backend.

    `journal` is a file from which jobs and idempotency keys are read again after a restart. `app`
    is the ASGI app, for other servers.
    """

    def __init__(
        self, backend: JobBackend, *, check: TokenCheck | None = None, journal: Path | None = None
    ) -> None:
        self.backend = backend
        self._journal = JobJournal(journal) if journal else None
        self.jobs = TaskJobs(self._journal)
        backend.attach(self.jobs)
        api = TaskRunnerApi(self.jobs, backend, check)
        self.requests = api.requests
        self.faults = api.faults
        self.app: ASGIApp = backend.wrap_app(api, api.faults)

    @property
    def ran(self) -> Counter[str]:
        """How many jobs were made of each name."""
        return self.jobs.ran

    @contextmanager
    def serve(self, port: int = 0, *, host: str = HOST) -> Iterator[str]:
        """Serve the protocol and yield its base URL; on leaving, every running job is stopped.

        A runner is served once.

        Raises:
            OSError: the port is taken.
        """
        try:
            with serve_app(self.app, port=port, host=host) as base_url:
                yield base_url
        finally:
            self.backend.close()
            if self._journal:
                self._journal.close()
