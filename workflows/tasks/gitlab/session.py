"""The HTTP session of python-gitlab, with all our safeguards around each request.

Imported when a client is made. A request has a deadline and a limit for the answer's size, goes to
GITLAB_URL only, and ends in an answer below 300 or in one error of ours. GET, HEAD,
PUT and DELETE are tried again; a POST is sent once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from workflows.core.errors import (
    NetworkError,
    PermanentError,
    RemoteUnavailable,
    RequestRefused,
    TimeoutExceeded,
    TransientError,
)
from workflows.core.loopback import LOOPBACK
from workflows.core.observability import logger
from workflows.core.redaction import redact
from workflows.tasks.gitlab.addresses import origin
from workflows.tasks.gitlab.answers import MAX_WAIT_S, gitlab_error, http_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Response = requests.Response
_log = logger("gitlab")
_REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}
_MAX_REDIRECTS = 3
_CHUNK_BYTES = 65_536
MAX_BODY_BYTES = 64 * 1024 * 1024


class GuardedSession(requests.Session):
    """A `requests.Session` for one GitLab and one thread.

    `delays_s` are the waits before each retry; `sleep` is how it waits.
    """

    def __init__(
        self, base_url: str, *, delays_s: Sequence[float], sleep: Callable[[float], None]
    ) -> None:
        super().__init__()
        self._base = urlsplit(base_url)
        self._delays_s = list(delays_s)
        self._sleep = sleep
        self._clock: tuple[datetime, float] | None = None
        # a proxy must not get what is meant for this machine
        self.trust_env = (self._base.hostname or "") not in LOOPBACK

    def request(  # type: ignore[override] # python-gitlab gives all else by name
        self, method: str, url: str, **options: Any
    ) -> Response:
        """Send one request, again where it may be repeated, and return an answer below 300.

        Raises:
            WorkflowsError: see `answers.gitlab_error`; NetworkError and TimeoutExceeded besides.
        """
        verb = method.upper()
        for delay_s in self._delays_s if verb in _REPEATABLE else ():
            try:
                return self._follow(verb, url, options)
            except TransientError as error:
                self.pause(error, delay_s)
        return self._follow(verb, url, options)

    def get_redirect_target(self, resp: Response) -> str | None:
        """None: requests itself neither follows a redirect nor reads its body unbounded."""
        return None

    def pause(self, error: TransientError, delay_s: float) -> None:
        """Wait before another attempt: as long as GitLab asked (30 s at most), else `delay_s`."""
        asked_s = error.wait_s if isinstance(error, RemoteUnavailable) else None
        wait_s = min(delay_s if asked_s is None else asked_s, MAX_WAIT_S)
        _log.warning("%s; again in %.1f s", redact(error.what), wait_s)
        self._sleep(wait_s)

    def server_time(self) -> datetime:
        """GitLab's time by its latest answer's Date; this machine's before the first."""
        if self._clock is None:
            return datetime.now(UTC)
        said, then = self._clock
        return said + timedelta(seconds=time.monotonic() - then)

    def _follow(self, verb: str, url: str, options: dict[str, Any]) -> Response:
        """One attempt. Redirects of GET are followed on this GitLab (a project that has moved)."""
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send(verb, url, options)
            asked = f"{verb} {urlsplit(url).path}"
            if answer.status_code >= 400:  # noqa: PLR2004 - HTTP's own numbers here and below
                status, now = answer.status_code, self.server_time()
                raise gitlab_error(asked, status, answer.headers, answer.content, now=now)
            if answer.status_code < 300:  # noqa: PLR2004
                return answer
            url = self._target(verb, url, answer)
            if urlsplit(url).query:  # the address repeats what was asked
                options = options | {"params": None}
        raise RequestRefused(redact(f"GitLab redirects {asked} again and again"))

    def _target(self, verb: str, url: str, answer: Response) -> str:
        """The target of a redirect. Only one below GITLAB_URL without user info is followed."""
        try:
            target = urljoin(url, answer.headers.get("Location", ""))
        except ValueError:  # no address at all
            target = ""
        if verb in {"GET", "HEAD"} and self._is_here(target):
            return target
        raise RequestRefused(
            redact(f"GitLab redirects {verb} {urlsplit(url).path} elsewhere"),
            why=redact(f"{answer.status_code} to {target}")[:500],
            fix="set GITLAB_URL to the address that GitLab itself uses; the token was not sent on",
        )

    def _is_here(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            same = origin(parts) == origin(self._base) and parts.scheme == self._base.scheme
        except ValueError:
            return False
        below = f"{self._base.path.rstrip('/')}/api/v4/"
        return same and "@" not in parts.netloc and parts.path.startswith(below)

    def _send(self, verb: str, url: str, options: dict[str, Any]) -> Response:
        """One request and its whole answer, or the error that came instead."""
        if not self._is_here(url):
            raise RequestRefused(redact(f"{url} is not below GITLAB_URL"), why="nothing was sent")
        timeout_s = float(options["timeout"])
        deadline = time.monotonic() + timeout_s
        host = self._base.netloc
        try:
            guarded = options | {"allow_redirects": False, "stream": True}
            answer = super().request(verb, url, **guarded)
            try:
                self._read(answer, deadline)
            except BaseException:
                answer.close()
                raise
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise TimeoutExceeded(f"{host} did not answer within {timeout_s:g} s") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _connection_failure(host, error) from error
        said = http_date(answer.headers.get("Date"))
        if said is not None:
            self._clock = (said, time.monotonic())
        return answer

    def _read(self, answer: Response, deadline: float) -> None:
        """Read the body within the deadline, however slowly it arrives.

        Raises:
            TimeoutError: it takes too long.
            RequestRefused: it is too large.
        """
        body = bytearray()
        while len(body) <= MAX_BODY_BYTES:
            chunk = answer.raw.read1(_CHUNK_BYTES, decode_content=True)
            if not chunk:
                break
            body += chunk
            if time.monotonic() > deadline:
                raise TimeoutError
        else:
            answer.close()
            raise RequestRefused(f"{self._base.netloc} sends more than {MAX_BODY_BYTES} bytes")
        # requests would read without a deadline; its `content` returns what is set here
        answer._content = bytes(body)  # noqa: SLF001
        answer._content_consumed = True  # noqa: SLF001


def _connection_failure(host: str, error: Exception) -> NetworkError | PermanentError:
    """The error of a failed connection; an untrusted certificate is permanent."""
    why = redact(str(error))[:500]
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return PermanentError(
            f"the certificate of {host} is not trusted",
            why=why,
            fix="set GIT_SSL_CAINFO to the file of your certificate authority",
        )
    return NetworkError(
        f"the connection to {host} failed",
        why=why,
        fix="check GITLAB_URL and the network, then try again",
    )
