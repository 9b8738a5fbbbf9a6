"""Real git over HTTP the way GitLab answers it: `git http-backend` behind Starlette.

`GitHttp` is the ASGI app; it asks an `AccessControl` who may do what and where repositories are.
`GitServer` is a complete small server with its own accounts and projects.
Bodies are streamed both ways, so the size of a push or a clone does not matter.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount

from workflows.core import process
from workflows.core.config import environment
from workflows.local.git_server.rules import (
    MAINTAINER,
    NOT_FOUND,
    Access,
    AccessControl,
    GitRefusal,
    GitRequest,
    ProtectedBranch,
    PushRules,
    RefChange,
    Service,
    access_refusal,
    basic_credentials,
    git_unauthorized,
    install_hooks,
    parse_git_request,
)
from workflows.servers.faults import NextFaults, NextFaultsInjector
from workflows.servers.request_log import LoggedRequest, RequestLog

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from starlette.types import Receive, Scope, Send

_CHUNK = 65_536
_INIT_TIMEOUT_S = 30.0
_MAX_STDERR = 4_000
_COMMITTER = "committer GitLab <gitlab@localhost> 1735689600 +0000"
_PROJECT_PATH = re.compile(r"\w[\w.-]*(/\w[\w.-]*)+")
# Passed in the environment, not written to the repository, so any bare repository can be served.
_CONFIG = {
    "http.uploadpack": "true",
    "http.receivepack": "true",
    "http.getanyfile": "false",  # the dumb protocol
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.advertisePushOptions": "true",
    "core.compression": "0",  # over loopback it costs more than it saves
    "receive.autogc": "false",  # no process may outlive the answer
    "safe.directory": "*",  # a mounted volume may belong to somebody else
}

_logger = logging.getLogger(__name__)


class GitHttp:
    """The ASGI app: routing, basic authentication, then `git http-backend`. Mount it anywhere."""

    def __init__(self, backend: AccessControl, *, hooks: Path) -> None:
        self._backend = backend
        self._hooks = hooks.resolve()
        install_hooks(self._hooks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        call = parse_git_request(request)
        answer = call if isinstance(call, Response) else self._admit(request, call)
        if isinstance(answer, Response):
            await answer(scope, receive, send)
            return
        assert isinstance(call, GitRequest)  # noqa: S101 - for the type checker
        with tempfile.TemporaryDirectory() if answer.on_push else nullcontext() as folder:
            report = Path(folder, "pushed") if folder else None
            env = self._environment(request, call, answer, report)
            await _relay(env, receive, send, partial(_tell, answer, report))

    def _admit(self, request: Request, call: GitRequest) -> Access | Response:
        """Check in GitLab's order: credentials, visibility of the project, then the action."""
        user = None
        if "authorization" in request.headers:
            credentials = basic_credentials(request.headers["authorization"])
            user = self._backend.identify(*credentials) if credentials else None
            if user is None:
                return git_unauthorized()
        request.state.user = user
        answer = self._backend.authorise(call.path, user, call.service)
        if isinstance(answer, Access):
            return answer
        return git_unauthorized() if user is None else PlainTextResponse(answer.text, answer.status)

    def _environment(
        self, request: Request, call: GitRequest, access: Access, report: Path | None
    ) -> dict[str, str]:
        """The CGI variables and the configuration for `git http-backend`, and the hooks' rules."""
        headers = request.headers
        origin = f"{request.url.scheme}://{request.url.netloc}"
        web_url = origin + quote(f"{request.scope.get('root_path', '')}/{call.path}")
        new_merge_request = "/-/merge_requests/new?merge_request%5Bsource_branch%5D="
        return {
            **_git_environment({**_CONFIG, "core.hooksPath": str(self._hooks)}),
            **access.rules.for_hooks(),
            "WORKFLOWS_NEW_MERGE_REQUEST": web_url + new_merge_request,
            "WORKFLOWS_PUSHED": str(report or ""),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "PATH_TRANSLATED": f"{access.repository.resolve()}/{call.verb}",
            "QUERY_STRING": f"service={call.service}" if call.verb == "info/refs" else "",
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": headers.get("content-length", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        }


def _git_environment(config: Mapping[str, str]) -> dict[str, str]:
    """The environment of a git that reads no configuration but this and writes English."""
    pairs = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    fixed = {"LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    return environment.for_child((fixed | pairs).items())


async def _relay(
    env: Mapping[str, str], receive: Receive, send: Send, before_end: Callable[[], None]
) -> None:
    """Pass the request to git and git's answer back, until the answer or the client is gone."""
    async with process.streaming(["git", "http-backend"], env=env) as child:
        assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - for mypy
        complaints = asyncio.create_task(_last_bytes(child.stderr))
        gone = asyncio.create_task(_feed(child.stdin, receive))
        answer = asyncio.create_task(_answer(child.stdout, complaints, send, before_end))
        try:
            done, _ = await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _abandon(complaints, gone, answer)


async def _abandon(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _feed(stdin: StreamWriter, receive: Receive) -> None:
    """Pass the request body on; returns when the client has hung up."""
    while (message := await receive())["type"] != "http.disconnect":
        if stdin.is_closing():
            continue  # git has closed its input; the rest of the body is dropped
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(message.get("body", b""))
            await stdin.drain()
        if not message.get("more_body"):
            stdin.close()


async def _answer(
    stdout: StreamReader,
    complaints: asyncio.Task[bytes],
    send: Send,
    before_end: Callable[[], None],
) -> None:
    """Pass git's answer on: CGI headers, then the body as it comes."""
    headers = [line async for line in _cgi_headers(stdout)]
    if not headers:
        _logger.error("git http-backend gave no answer: %s", (await complaints).decode())
        headers = [(b"status", b"500"), (b"content-type", b"text/plain")]
    status = int(dict(headers).get(b"status", b"200").split()[0])
    sent = [header for header in headers if header[0] != b"status"]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    while chunk := await stdout.read(_CHUNK):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    before_end()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _tell(access: Access, report: Path | None) -> None:
    """Call `on_push` with the refs that the post-receive hook wrote; a declined push wrote none."""
    if access.on_push and report and report.exists():
        lines = [line.split(" ") for line in report.read_text(encoding="utf-8").split("\n")[:-1]]
        options = tuple(" ".join(line[1:]) for line in lines if line[0] == "option")
        refs = [line for line in lines if line[0] != "option"]
        access.on_push([RefChange(old, new, ref, options) for old, new, ref in refs])


async def _cgi_headers(stdout: StreamReader) -> AsyncIterator[tuple[bytes, bytes]]:
    while line := (await stdout.readline()).strip():
        name, _, value = line.partition(b":")
        yield name.strip().lower(), value.strip()


async def _last_bytes(pipe: StreamReader) -> bytes:
    """Read all, so that git never blocks on a full pipe, and return the last bytes."""
    kept = b""
    while chunk := await pipe.read(_CHUNK):
        kept = (kept + chunk)[-_MAX_STDERR:]
    return kept


def create_bare(
    repository: Path, *, files: Mapping[str, str], default_branch: str = "main"
) -> None:
    """Make a bare repository with `files` as its one commit, or without any commit.

    The same files make the same commit, wherever and whenever.

    Raises:
        ProcessFailed: the branch or a file has a name that git refuses.
    """
    env = _git_environment({})

    def git(*args: str, stdin: bytes | None = None) -> None:
        process.run(["git", *args], env=env, stdin=stdin, timeout_s=_INIT_TIMEOUT_S)

    repository.parent.mkdir(parents=True, exist_ok=True)
    git(
        "init", "-q", "--bare", "--template=", f"--initial-branch={default_branch}", str(repository)
    )
    if files:
        stream = _fast_import(files, default_branch)
        git(f"--git-dir={repository}", "fast-import", "--quiet", stdin=stream)


def _fast_import(files: Mapping[str, str], branch: str) -> bytes:
    """One commit in the format of `git fast-import`; lengths are in bytes."""

    def data(text: str) -> bytes:
        content = text.encode()
        return b"data %d\n%s\n" % (len(content), content)

    parts = [f"commit refs/heads/{branch}\n{_COMMITTER}\n".encode(), data("Initial commit")]
    for name, text in files.items():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        parts += [f'M 100644 inline "{quoted}"\n'.encode(), data(text)]
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the token they show. `level` holds on every project: 20 fetches, 30 pushes."""

    user: str
    token: str = field(repr=False)
    level: int = MAINTAINER


@dataclass(slots=True)
class _Project:
    repository: Path
    public: bool
    protected: dict[str, int]
    decline: str | None = None


class GitServer:
    """A git server with accounts and projects of its own, for `serve_app(server.app)`.

    Set `faults` to make it fail. `requests` lists the requests, `pushed` the refs that pushes
    changed.
    """

    def __init__(
        self, root: Path, accounts: Iterable[Account] = (Account("workflows", "glpat-local"),)
    ) -> None:
        self.root = root
        self.faults = NextFaults()
        self.requests: list[LoggedRequest] = []
        self.pushed: list[RefChange] = []
        self._accounts = {account.token: account for account in accounts}
        self._projects: dict[str, _Project] = {}
        git = GitHttp(self, hooks=root / ".hooks")  # a project path cannot start with a dot
        routes = [Mount("/", app=git)]
        middleware = [
            Middleware(RequestLog, self.requests),
            Middleware(NextFaultsInjector, self.faults),
        ]
        self.app = Starlette(routes=routes, middleware=middleware)

    def create_repository(
        self,
        path: str = "acme/shop",
        *,
        files: Mapping[str, str] | None = None,
        default_branch: str = "main",
        visibility: str = "private",
        protected: Iterable[str] | None = None,
    ) -> Path:
        """Make a project and return its bare repository.

        `files` become one commit: a README.md if None, nothing at all if empty. `protected`
        are patterns for maintainers only; None protects the default branch.

        Raises:
            ValueError: the path is no `group/project`, or is taken.
        """
        if not _PROJECT_PATH.fullmatch(path) or ".git/" in f"{path}/" or path in self._projects:
            raise ValueError(f"no path for a new project: {path!r}")
        repository = self.root / f"{path}.git"
        create_bare(
            repository,
            files={"README.md": f"# {path}\n"} if files is None else files,
            default_branch=default_branch,
        )
        patterns = (default_branch,) if protected is None else protected
        self._projects[path] = _Project(
            repository, visibility == "public", dict.fromkeys(patterns, MAINTAINER)
        )
        return repository

    def protect(self, path: str, pattern: str, level: int = MAINTAINER) -> None:
        """Keep branches that match `pattern` (`*` matches anything) from those below `level`."""
        self._projects[path].protected[pattern] = level

    def set_push_rule(self, path: str, message: str | None) -> None:
        """Decline every push with `message`; None: accept them again."""
        self._projects[path].decline = message

    def identify(self, user: str, token: str) -> str | None:
        """Part of `AccessControl`: the token decides; the user name only must not be empty."""
        account = self._accounts.get(token)
        return account.user if account and user else None

    def authorise(self, path: str, user: str | None, service: Service) -> Access | GitRefusal:
        """Part of `AccessControl`: the access that a user has to the project at `path`."""
        project = self._projects.get(path)
        if project is None:
            return GitRefusal(404, NOT_FOUND)
        everywhere = {account.user: account.level for account in self._accounts.values()}
        level = everywhere[user] if user else 0
        refused = access_refusal(service, level=level, public=project.public)
        if refused:
            return refused
        protected = (ProtectedBranch(*item) for item in project.protected.items())
        rules = PushRules(level, tuple(protected), project.decline)
        return Access(project.repository, rules, self.pushed.extend)
