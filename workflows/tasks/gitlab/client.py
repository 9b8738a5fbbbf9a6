"""Asking GitLab's API: python-gitlab with our session, plain JSON in and out.

python-gitlab is imported when a client is made, not with this module. The classes of this folder
(people, projects, issues, …) add one method for each thing that flows do.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from workflows.core.errors import RequestRefused, SettingsInvalid, TransientError
from workflows.core.flow import retry_delays
from workflows.core.redaction import redact, remember
from workflows.tasks.gitlab.answers import Json, error_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from types import TracebackType

    from workflows.core.config.settings import Settings
    from workflows.tasks.gitlab.session import Response

T = TypeVar("T")

_PER_PAGE = 100
_MAX_PAGES = 200  # 20,000 rows


class GitLabClient:
    """A connection to one GitLab, for one thread. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Check the settings; see `connect`."""
        url, token = _checked(settings)
        import gitlab

        from workflows.tasks.gitlab.session import GuardedSession

        remember([token])
        self.settings = settings
        self.url = url
        self._sleep = sleep
        self._delays_s = retry_delays(settings)
        self._session = GuardedSession(url, delays_s=self._delays_s, sleep=sleep)
        self._api = gitlab.Gitlab(
            url,
            private_token=token,
            ssl_verify=settings.git_ca_file or True,
            timeout=settings.gitlab_timeout_s,
            retry_transient_errors=False,
            keep_base_url=True,
            session=self._session,
        )
        self._gitlab_error = gitlab.GitlabError

    @classmethod
    def connect(cls, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> Self:
        """A client for GITLAB_URL with GITLAB_TOKEN; nothing is sent yet.

        `sleep` is how it waits between attempts, in seconds.

        Raises:
            SettingsInvalid: one of the two is missing or cannot be used, or GIT_SSL_CAINFO is no
                file with certificates.
        """
        return cls(settings, sleep=sleep)

    def again(self) -> Self:
        """A new client with the same settings, for another thread."""
        return type(self)(self.settings, sleep=self._sleep)

    def close(self) -> None:
        """Close the connections. Closing twice is harmless."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def server_time(self) -> datetime:
        """GitLab's time in UTC, from its latest answer; this machine's before the first one."""
        return self._session.server_time()

    @property
    def host(self) -> str:
        """The host of GITLAB_URL, without a port."""
        return urlsplit(self.url).hostname or ""

    # --- for the classes built on this one ---------------------------------------------------

    def _get(self, path: str, **query: Any) -> Json:
        """The record at `path`. Errors as `_request`."""
        return _record(self._request("get", path, query=query))

    def _put(self, path: str, **fields: Any) -> Json:
        """Change what is at `path` and return it. PUT is repeatable here. Errors as `_request`."""
        return _record(self._request("put", path, fields=fields))

    def _delete(self, path: str) -> None:
        """Delete what is at `path`. Errors as `_request`."""
        self._request("delete", path)

    def _post(self, path: str, **fields: Any) -> Json:
        """Send one POST, never twice. Errors as `_request`.

        Raises:
            RequestRefused: the answer is 202: it was taken, and nothing was made that has an id.
        """
        answer = self._request("post", path, fields=fields)
        if answer.status_code == 202:  # noqa: PLR2004 - Accepted
            raise RequestRefused(
                "GitLab carried out quick actions and wrote no text",
                why=error_words(answer.content),
                fix="do not begin a line with / outside a code block or a quote",
            )
        return _record(answer)

    def _list(self, path: str, **query: Any) -> Iterator[Json]:
        """Every row of a list, page by page; addresses in the Link header are never followed.

        Raises:
            RequestRefused: the list does not end.
        """
        for page in range(1, _MAX_PAGES + 1):
            answer = self._request("get", path, query=query | {"page": page, "per_page": _PER_PAGE})
            rows = _decoded(answer)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise _not_the_api(answer)
            yield from rows
            more = "next" in answer.links or bool(answer.headers.get("X-Next-Page"))
            if not rows or not (more or len(rows) >= _PER_PAGE):
                return
        raise RequestRefused(
            f"GitLab's list {redact(path)} does not end", why=f"it has over {_MAX_PAGES} pages"
        )

    def _request(
        self, verb: str, path: str, *, query: Json | None = None, fields: Json | None = None
    ) -> Response:
        """One request through python-gitlab, as safe as `session` makes it.

        Raises:
            AuthenticationFailed, AccessDenied, ResourceNotFound, RequestConflict, RequestRefused:
                by the status; final.
            RemoteUnavailable, TimeoutExceeded, NetworkError: may pass; tried again already where
                that is safe.
        """
        try:
            return self._api.http_request(
                verb,
                path,
                query_data=query,
                post_data=fields,
                obey_rate_limit=False,
                retry_transient_errors=False,
                max_retries=0,
            )
        except self._gitlab_error as error:
            raise RequestRefused(
                "GitLab's answer is refused", why=redact(str(error))[:500]
            ) from error

    def _make(self, post: Callable[[], T], look: Callable[[], T | None]) -> tuple[T, bool]:
        """What `post` made, and True; or what `look` found after an answer was lost, and False.

        An answer is lost if the connection breaks, time runs out, or GitLab answers 429 or 5xx. The
        work may have been done. So `look` is called before each further attempt and after the last.

        Raises:
            TransientError: every attempt failed, and nothing is there.
            WorkflowsError: whatever else `post` and `look` raise.
        """
        for delay_s in [*self._delays_s, None]:
            try:
                return post(), True
            except TransientError as error:
                if delay_s is not None:
                    self._session.pause(error, delay_s)
                found = look()
                if found is not None:
                    return found, False
                if delay_s is None:
                    raise
        raise AssertionError  # the loop returns or raises


def url_quoted(text: str) -> str:
    """A name as one part of an address: `a/b` is `a%2Fb`."""
    return quote(text, safe="", errors="replace")


def _checked(settings: Settings) -> tuple[str, str]:
    """GITLAB_URL without a slash at its end, and the token."""
    token = settings.gitlab_token.get_secret_value().strip() if settings.gitlab_token else ""
    problems = []
    if not settings.gitlab_url:
        problems.append("GITLAB_URL: missing")
    if not token:
        problems.append("GITLAB_TOKEN: missing")
    elif not re.fullmatch(r"[\x21-\x7e]+", token):
        problems.append("GITLAB_TOKEN: holds characters that no token has")
    if settings.git_ca_file and not _holds_certificates(Path(settings.git_ca_file)):
        problems.append(f"GIT_SSL_CAINFO: no certificate can be read from {settings.git_ca_file}")
    if problems:
        raise SettingsInvalid(
            "GitLab cannot be reached without these settings",
            why="\n".join(problems),
            fix="set GITLAB_URL to the address of your GitLab and GITLAB_TOKEN to a token with the "
            "scope api",
        )
    return (settings.gitlab_url or "").rstrip("/"), token


def _holds_certificates(file: Path) -> bool:
    try:
        return b"CERTIFICATE-----" in file.read_bytes()
    except OSError:
        return False


def _decoded(answer: Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        raise _not_the_api(answer) from None


def _record(answer: Response) -> Json:
    found = _decoded(answer)
    if not isinstance(found, dict):
        raise _not_the_api(answer)
    return found


def _not_the_api(answer: Response) -> RequestRefused:
    return RequestRefused(
        "what answers at GITLAB_URL is not GitLab's API",
        why=error_words(answer.content),
        fix="check GITLAB_URL; a login page or a proxy may stand before it",
    )
