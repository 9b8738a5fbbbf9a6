"""The calls of the Cloud Run API (v2) that start, watch and cancel executions, over REST."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from workflows.core import http
from workflows.core.errors import (
    RemoteUnavailable,
    RequestConflict,
    RequestRefused,
    SettingsInvalid,
    TransientError,
)
from workflows.core.google import executions
from workflows.core.google.token import GoogleToken
from workflows.core.loopback import LOOPBACK

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from workflows.core.config.declare import Secret
    from workflows.core.google.executions import ExecutionMark

Json = dict[str, Any]
ENDPOINT = "https://run.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_S = 30.0
_RETRIES = 3
_NOT_FOUND = 404
_START_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # after each attempt


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

    def start_once(
        self,
        job_id: str,
        request: Json,
        mark: ExecutionMark,
        *,
        stop: threading.Event,
        may_exist: bool = False,
    ) -> str:
        """Start the execution that carries `mark`, and return its full name.

        It is searched for before each further attempt, and before the first with `may_exist`. So
        there are never two for one mark, as far as Cloud Run's list shows. Five attempts within
        about 16 s, or as Cloud Run's Retry-After asks; setting `stop` ends the waiting.

        Raises:
            TransientError: the last attempt's error; the execution may have been started.
            PermanentError: Cloud Run refuses; see `core.http`.
        """
        search = may_exist
        for wait_s in _START_WAITS_S:
            try:
                if search and (found := self.find_execution(job_id, mark)):
                    return found
                if search and stop.is_set():
                    raise RemoteUnavailable("not started, because this process is ending")
                return self._start(job_id, request)
            except TransientError as error:
                last, search = error, True
                if stop.wait(_asked_wait_s(error, wait_s)):
                    break
        if found := self.find_execution(job_id, mark):
            return found
        raise last

    def _start(self, job_id: str, request: Json) -> str:
        """One attempt; each call that reaches Cloud Run starts an execution."""
        answer = self._call("POST", f"{self._jobs}/{job_id}:run", request)
        name = executions.started_execution(answer)
        if not name:  # it may have been started, so `start_once` searches for it
            raise RemoteUnavailable("Cloud Run's answer names no execution", fix="try again later")
        return name

    def find_execution(self, job_id: str, mark: ExecutionMark) -> str:
        """The full name of the execution that carries `mark`; empty if there is none.

        The last hundred executions are searched. A job that does not exist has none.
        """
        path = f"{self._jobs}/{job_id}/executions?pageSize={executions.PAGE_SIZE}"
        try:
            return executions.marked_execution(self._call("GET", path), mark)
        except RequestRefused as error:
            if error.status == _NOT_FOUND:
                return ""
            raise

    def execution(self, name: str) -> Json:
        """One execution, by its name; not tried again: who watches it looks again anyway."""
        return self._call("GET", name, retries=0)

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


def _asked_wait_s(error: TransientError, default_s: float) -> float:
    """The seconds of Cloud Run's Retry-After, or `default_s` where it asks for none."""
    asked_s = error.wait_s if isinstance(error, RemoteUnavailable) else None
    return default_s if asked_s is None else asked_s


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
