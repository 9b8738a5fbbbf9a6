"""Functions served for real, a toy Cloud Run API, and a Pub/Sub between them."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from workflows.core import process
from workflows.core.config import environment
from workflows.servers.serving import free_port, is_listening, serve_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request

PROJECT, REGION = "shop-prod", "europe-west1"
TOPIC = f"projects/{PROJECT}/topics/workflows"
DEAD_TOPIC = f"projects/{PROJECT}/topics/workflows-dead"
DEAD = f"projects/{PROJECT}/subscriptions/workflows-dead"
PUSH = f"projects/{PROJECT}/subscriptions/workflows-push"
JOBS = {"hello_world": "workflows-hello-world", "resolve_issue": "workflows-resolve-issue"}
_START_S = 60
TARGETS = {"workflow_trigger": "trigger"}


@dataclass
class Served:
    """A function that runs: its address, and what it has logged."""

    url: str
    log: Path
    logged_before: int = 0  # bytes of the log that belong to earlier tests

    def from_now_on(self) -> Served:
        """The same function, without what it has logged until now."""
        return replace(self, logged_before=self.log.stat().st_size)

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_bytes()[self.logged_before :].decode(errors="replace")

    def lines(self, severity: str = "") -> list[dict[str, Any]]:
        """The structured lines so far, of one severity or all."""
        found = []
        for line in self.text().splitlines():
            if line.startswith('{"severity"'):
                entry = json.loads(line)
                if severity in {"", entry["severity"]}:
                    found.append(entry)
        return found


@contextmanager
def serve_function(
    staged: Path, name: str, env: dict[str, str], log_folder: Path
) -> Iterator[Served]:
    """`functions-framework` as a process of its own, as in Google Cloud, from the staged folder."""
    port = free_port()
    log = log_folder / f"{name}-{port}.log"
    args = [sys.executable, "-m", "functions_framework", "--host", "127.0.0.1"]
    args += ["--target", TARGETS.get(name, name), "--port", str(port)]
    base = {"PYTHONDONTWRITEBYTECODE": "1", "HOME": str(log_folder), "NO_PROXY": "*"}
    whole = environment.for_child((base | env).items())
    folder = staged / name
    with process.background(args, env=whole, cwd=folder, log=log) as child:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_S
        while not is_listening(port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield Served(url, log)


@dataclass
class ToyCloudRun:
    """Starts nothing, but says so. `fail_next`: statuses; with `late`, after the job was started.

    `may_list` is whether the caller may see executions.
    """

    fail_next: list[int] = field(default_factory=list)
    late: bool = False
    may_list: bool = True
    hold_s: float = 0.0
    fail_every: int = 0
    started: list[dict[str, Any]] = field(default_factory=list)
    callers: list[str | None] = field(default_factory=list)
    asked: int = 0
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def runs(self) -> list[str]:
        """The run id of each execution."""
        return [one["env"]["WORKFLOWS_RUN_ID"] for one in self.started]

    @contextmanager
    def serve(self) -> Iterator[str]:
        job = f"/v2/projects/{PROJECT}/locations/{REGION}/jobs/{{job}}"
        routes = [
            Route(f"{job}:run", self._run, methods=["POST"]),
            Route(f"{job}/executions", self._list, methods=["GET"]),
        ]
        with serve_app(Starlette(routes=routes)) as self.url:
            yield self.url

    def _fails(self) -> int | None:
        with self._lock:
            self.asked += 1
            if self.fail_every and self.asked % self.fail_every == 0:
                return 503
            return self.fail_next.pop(0) if self.fail_next else None

    def _run(self, request: Request) -> Response:
        """A plain function, so it runs in a thread and may sleep."""
        body = json.loads(_body(request))
        self.callers.append(request.headers.get("authorization"))
        status = self._fails()
        if status and not self.late:
            return _error(status)
        time.sleep(self.hold_s)
        override = body["overrides"]["containerOverrides"][0]
        job = request.path_params["job"]
        with self._lock:
            name = f"{job}-{len(self.started):05d}"
            whole = f"projects/{PROJECT}/locations/{REGION}/jobs/{job}/executions/{name}"
            one = {
                "name": whole,
                "job": job,
                "args": override.get("args", []),
                "env": {item["name"]: item["value"] for item in override["env"]},
            }
            self.started.append(one)
        if status:
            return _error(status)
        return JSONResponse({"name": "operations/1", "metadata": {"name": whole}})

    async def _list(self, request: Request) -> Response:
        if not self.may_list:
            return _error(403)
        with self._lock:
            found = [one for one in self.started if one["job"] == request.path_params["job"]]
        return JSONResponse({"executions": [_execution(one) for one in found[:-101:-1]]})


@contextmanager
def metadata_server(token: str) -> Iterator[dict[str, str]]:
    """Google's metadata server with one account; yields the variables that lead there."""

    async def answer(request: Request) -> Response:
        path = request.url.path
        found: Any = {"email": "trigger@p.example.com", "scopes": [], "aliases": ["default"]}
        if path.endswith("/token"):
            found = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        return JSONResponse(found, headers={"Metadata-Flavor": "Google"})

    with serve_app(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        host = url.removeprefix("http://")
        yield {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "GOOGLE_CLOUD_PROJECT": "p"}


@contextmanager
def only_for(token: str, function: str) -> Iterator[str]:
    """What Cloud Run puts before a function that not everybody may invoke: no token, no entry."""

    async def enter(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {token}":
            return PlainTextResponse("The request was not authenticated.", 403)
        headers = {k: v for k, v in request.headers.items() if k not in {"host", "content-length"}}
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.post(function, content=await request.body(), headers=headers)
        return Response(answer.content, answer.status_code, media_type="application/json")

    with serve_app(Starlette(routes=[Route("/", enter, methods=["POST"])])) as url:
        yield url


def _body(request: Request) -> bytes:
    """The body, from a thread."""
    import anyio.from_thread

    return anyio.from_thread.run(request.body)


def _execution(one: dict[str, Any]) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in one["env"].items()]
    container = {"args": one["args"], "env": variables}
    return {"name": one["name"], "template": {"containers": [container]}}


def _error(status: int) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": f"toy error {status}"}}, status)


def push_body(
    data: bytes, message_id: str = "1", attributes: dict[str, str] | None = None
) -> dict[str, Any]:
    """What Pub/Sub posts to a push endpoint."""
    return {
        "message": {
            "data": base64.b64encode(data).decode(),
            "attributes": attributes or {},
            "messageId": message_id,
            "publishTime": "2026-11-22T04:00:00.000Z",
        },
        "subscription": PUSH,
    }


_client = httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(keepalive_expiry=1))


def post(url: str, **options: Any) -> httpx.Response:
    return _client.post(url, **options)


def until(condition: Callable[[], object], *, timeout_s: float = 30) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
