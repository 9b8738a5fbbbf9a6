"""The calls of the Cloud Run API (v2) that start, watch and cancel executions, over REST."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from workflows.core import http
from workflows.core.errors import RequestConflict, RequestRefused, SettingsInvalid
from workflows.core.google.token import GoogleToken
from workflows.core.loopback import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.core.config.declare import Secret

Json = dict[str, Any]
ENDPOINT = "https://run.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_S = 30.0
_RETRIES = 3
_NOT_FOUND = 404
_PAGE = 100


class CloudRunApi:
    """Jobs and executions below one project and region. Safe to use from threads."""

    def __init__(
        self, project: str, region: str, token: Callable[[], str], *, endpoint: str = ENDPOINT
    ) -> None:
        self._base = f"{endpoint.rstrip('/')}/v2/"
        self._jobs = f"projects/{quote(project)}/locations/{quote(region)}/jobs"
        self._token = token

    def job(self, job_id: str) -> Json | None:
        """A job; None: there is none of this id.

        Raises:
            TransientError, PermanentError: of `core.http`, here and below.
        """
        try:
            return self._call("GET", f"{self._jobs}/{job_id}")
        except RequestRefused as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def create(self, job_id: str, template: Json) -> None:
        """Create a job; harmless where somebody else just did."""
        try:
            self._call("POST", f"{self._jobs}?jobId={job_id}", {"template": template})
        except RequestConflict:
            return

    def update(self, job_id: str, template: Json) -> None:
        """Replace a job's template."""
        self._call("PATCH", f"{self._jobs}/{job_id}", {"template": template})

    def run(self, job_id: str, overrides: Json) -> str:
        """Start an execution and return its name. Not repeated: each call that arrives starts one.

        After a `TransientError` it may have been started; see `executions`.
        """
        found = self._call("POST", f"{self._jobs}/{job_id}:run", {"overrides": overrides})
        return str(found["metadata"]["name"])

    def execution(self, name: str) -> Json:
        """One execution, by its name; not tried again: who watches it looks again anyway."""
        return self._call("GET", name, retries=0)

    def executions(self, job_id: str) -> list[Json]:
        """The last hundred executions of a job, newest first."""
        found = self._call("GET", f"{self._jobs}/{job_id}/executions?pageSize={_PAGE}")
        return list(found.get("executions") or [])

    def exit_code(self, name: str) -> int | None:
        """The exit code of an execution's first task, where the API tells it."""
        tasks = self._call("GET", f"{name}/tasks").get("tasks") or []
        result = tasks[0].get("lastAttemptResult") if tasks else None
        return int(result.get("exitCode") or 0) if result else None

    def cancel(self, name: str) -> None:
        """Ask for an execution to be cancelled; it takes up to ten seconds more to end."""
        self._call("POST", f"{name}:cancel", {})

    def _call(
        self, method: str, path: str, body: Json | None = None, *, retries: int = _RETRIES
    ) -> Json:
        answer = http.request(
            method,
            self._base + path,
            timeout_s=_TIMEOUT_S,
            headers={"Authorization": f"Bearer {self._token()}"},
            json_body=body,
            retries=retries,
        )
        found: Json = answer.json()
        return found


def connect_cloud_run(
    project: str, region: str, endpoint: str | None, *, local_token: Secret | None
) -> CloudRunApi:
    """The API at `endpoint`, by default Google's, with Google's tokens.

    A stand-in on this machine never gets one of those, but `local_token`.

    Raises:
        SettingsInvalid: another machine's address that is not https.
    """
    endpoint = endpoint or ENDPOINT
    parts = urlsplit(endpoint)
    token: Callable[[], str] = GoogleToken(SCOPE, "Cloud Run")
    if parts.hostname in LOOPBACK:
        token = partial(str, local_token.get_secret_value() if local_token else "none")
    elif parts.scheme != "https":
        raise SettingsInvalid(f"{endpoint!r} is no address", fix="begin it with https://")
    return CloudRunApi(project, region, token, endpoint=endpoint)


def execution_outcome(execution: Json) -> tuple[str, str]:
    """How an execution ended (`succeeded`, `failed`, `cancelled`; empty: it has not), and why."""
    completed: Json = next(
        (one for one in execution.get("conditions") or [] if one.get("type") == "Completed"), {}
    )
    message = str(completed.get("message") or "")
    state = completed.get("state")
    if state == "CONDITION_SUCCEEDED":
        return "succeeded", message
    if state == "CONDITION_FAILED":
        cancelled = completed.get("executionReason") == "CANCELLED"
        return ("cancelled" if cancelled else "failed"), message
    return "", message
