"""A GitLab to ask, a client that does not really wait, and a server that answers from a list."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workflows.core.config.declare import Secret
from workflows.core.config.settings import Settings, load
from workflows.local.gitlab_server.actions import editing
from workflows.servers.faults import Fault
from workflows.tasks.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from workflows.local.gitlab_server.server import GitLabServer
    from workflows.local.gitlab_server.state.model import Issue, Note, Project, User

TOKEN = "glpat-mona-0123456789"
LEVELS = {"mona": 40, "dave": 30, "rita": 20, "gus": 10, "stranger": 0}
ME = b'{"id": 7, "username": "ada", "name": "Ada", "web_url": "http://x/ada"}'
MARK = "<!-- workflows:test -->"


def settings_for(url: str, token: str = TOKEN, **more: Any) -> Settings:
    """Settings for a GitLab; retries wait next to nothing."""
    values = {"gitlab_url": url, "gitlab_token": Secret(token), "retry_delay_s": 0.001}
    return load(**(values | more))


@dataclass
class Hub:
    """A project on a running GitLab. `waits_s` is what clients were told to wait, in seconds.

    `meanwhile` is called instead of waiting.
    """

    lab: GitLabServer
    project: Project
    waits_s: list[float] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    clients: list[GitLab] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.project.id

    def user(self, name: str) -> User:
        found = self.lab.find_user(name)
        assert found
        return found

    def connect(self, by: str = "dave", *, kind: type[GitLab] = GitLab, **more: Any) -> GitLab:
        """A client with the token of somebody."""
        settings = settings_for(self.lab.url, f"glpat-{by}-0123456789", **more)
        client = kind.connect(settings, sleep=self._sleep)
        self.clients.append(client)
        return client

    def _sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.meanwhile()

    def fail(self, method: str, path: str, **more: Any) -> Fault:
        """Let the next request that fits go wrong."""
        fault = Fault(method, path, **more)
        self.lab.fault_rules.append(fault)
        return fault

    def issue(self, title: str = "Bug", **more: Any) -> Issue:
        with self.lab.lock:
            return editing.open_issue(self.lab, self.project, self.user("gus"), title, **more)

    def branch(self, name: str = "feature") -> str:
        """A branch on the commit of `main`."""
        repository = self.project.repository
        sha = repository.branches()["main"]
        assert repository.set_branch(name, sha)
        return name

    def notes(self, iid: int, of: str = "issues") -> list[Note]:
        with self.lab.lock:
            things: Any = getattr(self.project, of)
            return [note for note in things[iid].notes if not note.system]

    def asked(self, method: str, part: str = "") -> int:
        """How many requests of this kind were answered."""
        return sum(r.method == method and part in r.target for r in self.lab.requests)


def wait_until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    """Return once something is true of the server."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@dataclass
class Answer:
    """What a `Scripted` server says."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0


@dataclass
class Scripted:
    """An HTTP server that gives its answers in turn, the last one for ever, and keeps requests."""

    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def reset(self, *answers: Answer) -> None:
        """Begin anew with these answers."""
        self.answers = list(answers)
        self.seen = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        import asyncio

        if scope["type"] != "http":
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        self.seen.append((scope["method"], scope["raw_path"].decode() + f"?{query}", headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        given = {"content-type": "application/json"} | answer.headers
        raw = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in given.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        if answer.drip_s:
            for byte in answer.body:
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                await asyncio.sleep(answer.drip_s)
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.body", "body": answer.body})
