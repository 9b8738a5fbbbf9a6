"""The API as an ASGI app: credentials, routing, errors, rate limits, one request at a time."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from workflows.local.gitlab_server.api import (
    accounts,
    branches,
    commits,
    files,
    hooks,
    issues,
    merge_requests,
    notes,
    pipelines,
    projects,
)
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    bad_request,
    forbidden,
    gitlab_response,
    no_route,
    unauthorized,
)
from workflows.local.gitlab_server.http.api_call import ApiCall
from workflows.local.gitlab_server.http.parameters import request_parameters
from workflows.local.gitlab_server.http.routing import RouteTable

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, Project, Token

PREFIX = "/api/v4/"
_WINDOW_S = 60
_DEFAULT_LIMIT = 7_200
_MODULES = (
    accounts,
    projects,
    branches,
    commits,
    files,
    issues,
    notes,
    merge_requests,
    pipelines,
    hooks,
)
_logger = logging.getLogger(__name__)


class GitLabApi:
    """Answers `/api/v4/…`. Each request holds the lock, so it sees a consistent state."""

    def __init__(self, lab: GitLabState) -> None:
        self._lab = lab
        self._table = RouteTable(module.ROUTES for module in _MODULES)
        self._asked: dict[tuple[str, int], int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; handlers run in a thread, because git is waited for."""
        request = Request(scope, receive)
        body = await request.body()
        response = await run_in_threadpool(self._answer, request, scope["raw_api_path"], body)
        await response(scope, receive, send)

    def _answer(self, request: Request, target: str, body: bytes) -> Response:
        with self._lab.lock:
            limits: dict[str, str] = {}
            try:
                query = request.scope["query_string"].decode("latin-1")
                params = request_parameters(query, request.headers.get("content-type", ""), body)
                _refuse_nul(target, params)
                token = self._token(request, params)
                name = token.user.username if token else "anonymous"
                request.state.user = token.user.username if token else None
                limits, refused = self._limit(name)
                response = refused or self._route(request, target, query, params, token)
            except GitLabApiError as error:
                response = error.response
            except Exception:
                _logger.exception("%s %s", request.method, target)
                response = gitlab_response({"message": "500 Internal Server Error"}, 500)
        response.headers.update(limits)
        return response

    def _token(self, request: Request, params: Json) -> Token | None:
        """The token of the request; a wrong one is refused, not taken as anonymous."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = (
            request.headers.get("private-token")
            or (bearer.strip() if scheme.lower() == "bearer" else None)
            or params.pop("private_token", None)
            or params.pop("access_token", None)
            or request.headers.get("job-token")
        )
        if not given:
            return None
        token = self._lab.valid_token(str(given))
        if token is None:
            raise unauthorized()
        if token.user.state != "active":
            raise forbidden("Your account has been blocked.")
        return token

    def _route(
        self, request: Request, target: str, query: str, params: Json, token: Token | None
    ) -> Response:
        found = self._table.find(request.method, target)
        if isinstance(found, set):
            if not found:
                raise no_route()
            raise GitLabApiError(
                405, {"error": "405 Not Allowed"}, {"Allow": ", ".join(sorted(found))}
            )
        route, path = found
        call = ApiCall(self._lab, request.method, target, query, path, params, token)
        call.check_scope()
        if token is None and request.method not in {"GET", "HEAD"}:
            raise unauthorized()
        moved = self._moved(call)
        if moved:
            return moved
        result = route.handler(call)
        if isinstance(result, Response):
            return result
        return (
            Response(status_code=204) if result is None else gitlab_response(result, route.status)
        )

    def _moved(self, call: ApiCall) -> Response | None:
        """301 to the id of a project that was moved from this path, if the asker may see it."""
        name = call.path.get("id", "")
        if call.method not in {"GET", "HEAD"} or not name or self._lab.find_project(name):
            return None
        project = next((p for p in self._lab.projects.values() if name in p.old_paths), None)
        if project is None or not self._lab.visible(project, call.asker):
            return None
        return _redirect(call, project)

    def _limit(self, user: str) -> tuple[dict[str, str], Response | None]:
        """The headers of the rate limit, and the answer to an asker above it."""
        now = int(time.time())
        window = now // _WINDOW_S
        count = self._asked.get((user, window), 0) + 1
        if count == 1:
            self._asked = {key: n for key, n in self._asked.items() if key[1] == window}
        self._asked[user, window] = count
        limit = self._lab.rate_limit or _DEFAULT_LIMIT
        reset = (window + 1) * _WINDOW_S
        headers = {
            "RateLimit-Limit": str(limit),
            "RateLimit-Name": "throttle_authenticated_api",
            "RateLimit-Observed": str(count),
            "RateLimit-Remaining": str(max(limit - count, 0)),
            "RateLimit-Reset": str(reset),
        }
        if self._lab.rate_limit is None or count <= limit:
            return headers, None
        headers["RateLimit-ResetTime"] = time.strftime(
            "%a, %d %b %Y %H:%M:%S GMT", time.gmtime(reset)
        )
        headers["Retry-After"] = str(reset - now)
        return headers, PlainTextResponse("Retry later\n", 429)


def _refuse_nul(target: str, params: Json) -> None:
    """Refuse the character NUL, as GitLab does: neither git nor its database accepts it."""
    if "%00" in target or "\\u0000" in json.dumps(params):
        raise bad_request("400 Bad Request")


def _redirect(call: ApiCall, project: Project) -> Response:
    _, _, rest = call.target.removeprefix("projects/").partition("/")
    place = f"{call.lab.url}{PREFIX}projects/{project.id}" + (f"/{rest}" if rest else "")
    query = f"?{call.query}" if call.query else ""
    return gitlab_response({"message": "Moved Permanently"}, 301, {"Location": f"{place}{query}"})
