"""Start the embedded GitLab: API, git, pages and webhooks on one port of 127.0.0.1."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from workflows.local.git_server.http import GitHttp
from workflows.local.gitlab_server.api.app import PREFIX, GitLabApi
from workflows.local.gitlab_server.events import webhooks
from workflows.local.gitlab_server.git.access import GitAccess
from workflows.local.gitlab_server.http.answers import no_route
from workflows.local.gitlab_server.pages.pages import Pages
from workflows.local.gitlab_server.state.gitlab_state import GitLabState
from workflows.servers.faults import Fault, FaultInjector, NextFaults, NextFaultsInjector
from workflows.servers.request_log import LoggedRequest, RequestLog
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from workflows.servers.serving import Tls

__all__ = ["Fault", "GitLabServer"]

_GIT = re.compile(r"/(info/refs|git-upload-pack|git-receive-pack)$")


class GitLabServer(GitLabState):
    """A GitLab with its server. `faults` hold for the next requests, `fault_rules` for chosen ones.

    `requests` lists the requests. With `sub_path` ("/gitlab") every URL begins with that.
    """

    def __init__(
        self, root: Path, *, sub_path: str = "", clock: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__(root, clock=clock)
        self.sub_path = sub_path
        self.faults = NextFaults()
        self.fault_rules: list[Fault] = []
        self.requests: list[LoggedRequest] = []
        self._api = GitLabApi(self)
        self._pages = Pages(self)
        self._git = GitHttp(GitAccess(self), hooks=root / ".hooks")
        self.outbox.after = partial(webhooks.record_result, self)
        faulty = NextFaultsInjector(FaultInjector(self._dispatch, self.fault_rules), self.faults)
        self.app = RequestLog(faulty, self.requests)

    @contextmanager
    def serve(self, port: int = 0, *, tls: Tls | None = None) -> Iterator[str]:
        """Serve for as long as the block lasts and yield the base URL, sub-path included.

        `tls` holds the files of a certificate and its key, for https.

        Raises:
            OSError: the port is taken.
        """
        with serve_app(self.app, port=port, tls=tls) as origin:
            self.url = origin + self.sub_path
            self.outbox.start()
            try:
                yield self.url
            finally:
                self.outbox.stop()

    def wait_for_webhooks(self) -> None:
        """Return when every webhook queued so far was answered or has failed."""
        self.outbox.wait()

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw = scope["raw_path"].decode("latin-1")
        inside = raw.removeprefix(self.sub_path)
        if not raw.startswith(f"{self.sub_path}/"):
            await no_route().response(scope, receive, send)
        elif inside.startswith(PREFIX):
            await self._api({**scope, "raw_api_path": inside[len(PREFIX) :]}, receive, send)
        elif _GIT.search(inside):
            await self._git({**scope, "root_path": self.sub_path}, receive, send)
        else:
            await self._pages({**scope, "raw_page_path": inside}, receive, send)
