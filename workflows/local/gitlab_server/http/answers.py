"""JSON answers, and the errors of the API in each of GitLab's formats."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class GitLabApiError(Exception):
    """An error answer of the API; raised by a handler or by what it calls."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}

    @property
    def response(self) -> Response:
        """The error as an HTTP answer."""
        return gitlab_response(self.body, self.status, self.headers)


def gitlab_response(
    body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """JSON, as compact as GitLab writes it."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


def unauthorized() -> GitLabApiError:
    """401: credentials are missing or wrong."""
    return GitLabApiError(401, {"message": "401 Unauthorized"})


def forbidden(reason: str = "") -> GitLabApiError:
    """403: the thing is visible, but the access level is too low."""
    return GitLabApiError(
        403, {"message": f"403 Forbidden - {reason}" if reason else "403 Forbidden"}
    )


def not_found(thing: str = "") -> GitLabApiError:
    """`404 Branch Not Found`; without a thing GitLab writes `404 Not found`."""
    return GitLabApiError(404, {"message": f"404 {thing} Not Found" if thing else "404 Not found"})


def no_route() -> GitLabApiError:
    """404: no endpoint has this path."""
    return GitLabApiError(404, {"error": "404 Not Found"})


def invalid_parameter(text: str) -> GitLabApiError:
    """400: a parameter is missing or wrong, such as `title is missing`."""
    return GitLabApiError(400, {"error": text})


def unacceptable(field: str, *problems: str) -> GitLabApiError:
    """400: the record would be invalid, such as `{"title": ["can't be blank"]}`."""
    return GitLabApiError(400, {"message": {field: list(problems)}})


def bad_request(text: str) -> GitLabApiError:
    """400: refused, with a message."""
    return GitLabApiError(400, {"message": text})


def conflict(message: Any) -> GitLabApiError:
    """409: the thing exists already."""
    return GitLabApiError(409, {"message": message})


def insufficient_scope(scope: str) -> GitLabApiError:
    """403: the token is valid, but lacks the scope."""
    return GitLabApiError(
        403,
        {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the"
            " access token.",
            "scope": scope,
        },
    )
