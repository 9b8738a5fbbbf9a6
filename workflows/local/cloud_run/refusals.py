"""Error answers of the API: Google's `{"error": {code, message, status}}`."""

from __future__ import annotations

import json

from starlette.responses import Response

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class CloudRunApiError(Exception):
    """An error answer of the API; raised by a handler or by what it calls."""

    def __init__(self, code: int, message: str, status: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUSES.get(code, "UNKNOWN")

    def response(self, headers: dict[str, str] | None = None) -> Response:
        """The error as an HTTP answer."""
        error = {"code": self.code, "message": self.message, "status": self.status}
        text = json.dumps({"error": error}, indent=2)
        return Response(text, self.code, headers, media_type="application/json")


def fault_response(code: int, retry_after: str | None) -> Response:
    """The answer of an injected fault, in the format of the API."""
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    message = "The service is currently unavailable."
    if code == 429:  # noqa: PLR2004 - Too Many Requests
        message = "Quota exceeded for quota metric 'Job run requests'."
    return CloudRunApiError(code, message).response(headers)


def resource_not_found(kind: str, name: str, place: tuple[str, str]) -> CloudRunApiError:
    """404 for a job, an execution or an operation."""
    project, region = place
    return CloudRunApiError(
        404,
        f"Resource '{name}' of kind '{kind}' in region '{region}' in project '{project}'"
        " does not exist.",
    )


def invalid_argument(message: str) -> CloudRunApiError:
    """400: a value of the request is wrong; the text says which."""
    return CloudRunApiError(400, message)
