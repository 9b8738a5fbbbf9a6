"""Finds the handler of a raw path; `%2F` does not separate parts, and is decoded within them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workflows.local.gitlab_server.http.api_call import ApiCall

    Handler = Callable[[ApiCall], Any]

_PART = re.compile(r":(\w+)")


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path such as `projects/:id/issues`, its handler and its status on success.

    A handler returns JSON, None (204, or the status with an empty body), or a whole Response.
    """

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    status: int


class Routes:
    """The routes of one module; `@routes.get("projects/:id")` adds one."""

    def __init__(self) -> None:
        self.found: list[Route] = []

    def add(self, method: str, path: str, status: int) -> Callable[[Handler], Handler]:
        """Register a handler."""
        pattern = re.compile(_PART.sub(r"(?P<\1>[^/]+)", path))

        def register(handler: Handler) -> Handler:
            self.found.append(Route(method, pattern, handler, status))
            return handler

        return register

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """GET, answered with 200."""
        return self.add("GET", path, 200)

    def post(self, path: str, status: int = 201) -> Callable[[Handler], Handler]:
        """POST, answered with 201."""
        return self.add("POST", path, status)

    def put(self, path: str, status: int = 200) -> Callable[[Handler], Handler]:
        """PUT, answered with 200."""
        return self.add("PUT", path, status)

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        """DELETE, answered with 204."""
        return self.add("DELETE", path, 204)


class RouteTable:
    """All routes, sorted by how many segments they have."""

    def __init__(self, groups: Iterable[Routes]) -> None:
        self._by_length: dict[int, list[Route]] = {}
        for group in groups:
            for route in group.found:
                length = route.pattern.pattern.count("/") - route.pattern.pattern.count("[^/]")
                self._by_length.setdefault(length, []).append(route)

    def find(self, method: str, raw: str) -> tuple[Route, dict[str, str]] | set[str]:
        """The route and the decoded path parameters; else the methods that exist for this path."""
        methods = set()
        for route in self._by_length.get(raw.count("/"), []):
            match = route.pattern.fullmatch(raw)
            if match is None:
                continue
            if route.method == method or (method == "HEAD" and route.method == "GET"):
                return route, {name: unquote(part) for name, part in match.groupdict().items()}
            methods.add(route.method)
        return methods
