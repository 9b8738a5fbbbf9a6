"""Cloud Run as something to start: `with CloudRunServer(folder).serve() as base_url`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflows.local.cloud_run.app import JobsApi
from workflows.local.cloud_run.refusals import fault_response
from workflows.local.cloud_run.state import GRACE_S, PROJECT, REGION, CloudRunState
from workflows.servers.faults import Fault, FaultInjector
from workflows.servers.request_log import LoggedRequest, RequestLog
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class CloudRunServer(CloudRunState):
    """The state with its API. `faults` says which requests fail, `seen` lists what was asked."""

    def __init__(
        self,
        folder: Path,
        *,
        images: Mapping[str, Sequence[str]] | None = None,
        grace_s: float = GRACE_S,
        project: str = PROJECT,
        region: str = REGION,
    ) -> None:
        super().__init__(folder, images=images, grace_s=grace_s, project=project, region=region)
        self.faults: list[Fault] = []
        self.seen: list[LoggedRequest] = []
        self.app = RequestLog(
            FaultInjector(JobsApi(self), self.faults, error=fault_response), self.seen
        )

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve the API and yield its base URL; on leaving, what runs is stopped.

        Raises:
            OSError: the port is taken.
        """
        try:
            with serve_app(self.app, port=port) as self.url:
                yield self.url
        finally:
            self.close()
