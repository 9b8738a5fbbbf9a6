"""Runs git: its environment, its credential, and our errors for its messages.

git runs with no configuration but ours: no system, user or template configuration, no hooks, no
prompt, no credential store, no `~/.netrc`. The token travels in the environment to a credential
helper that answers for the repository's host only; it is never in argv, a URL or `.git/config`.
Messages are matched in English (`LC_ALL=C`), as git 2.30 and later print them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    BranchNotFound,
    NetworkError,
    ProcessFailed,
    RemoteUnavailable,
    RepositoryNotFound,
    UrlRefused,
    WorkflowsError,
)
from workflows.core.redaction import redact, remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from workflows.core.config.settings import Settings
    from workflows.core.git.urls import GitUrl

_USERNAME_VARIABLE = "WORKFLOWS_GIT_USERNAME"
_SECRET_VARIABLE = "WORKFLOWS_GIT_SECRET"  # noqa: S105 - the variable's name
_HELPER = (
    f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    f' "${_USERNAME_VARIABLE}" "${_SECRET_VARIABLE}"; }}; f'
)

_ISOLATED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "HOME": "/dev/null",  # curl would read ~/.netrc
    "XDG_CONFIG_HOME": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "LC_ALL": "C",
}

_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "commit.gpgSign": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "push.recurseSubmodules": "no",
    "gc.auto": "0",  # the clone lives for minutes; a detached gc would outlive it
    "maintenance.auto": "false",
    "core.fsync": "none",  # a scratch clone need not survive a power cut
    "checkout.workers": "0",  # as many as there are processors
    "http.lowSpeedLimit": "1000",  # a stalled transfer ends after a minute
    "http.lowSpeedTime": "60",
    "protocol.version": "2",
    "credential.helper": "",  # forget helpers named before ours
}


@dataclass(frozen=True, slots=True)
class Git:
    """git against one repository URL, with the credential for it."""

    url: GitUrl
    timeout_s: float
    username: str = "oauth2"
    secret: str | None = field(default=None, repr=False)
    withheld: bool = False  # there is a GIT_TOKEN, and GIT_TOKEN_HOSTS leaves out this host

    @classmethod
    def for_url(cls, url: GitUrl, settings: Settings) -> Git:
        """The credential is the URL's own, else `GIT_TOKEN` where its hosts allow that.

        Where there is no `GIT_TOKEN`, `GITLAB_TOKEN` serves for repositories below `GITLAB_URL`.

        Raises:
            UrlRefused: a local path, and the settings do not allow those.
        """
        if url.scheme == "file" and not settings.allow_local_repositories:
            raise UrlRefused(
                f"{url.text!r} is not accepted as a repository URL",
                why="it is a path on this machine",
                fix="set WORKFLOWS_ALLOW_LOCAL_REPOSITORIES=true to allow it",
            )
        username = url.username or settings.git_username
        password = url.secret if url.secret != url.username else None
        withheld = password is None and _is_git_token_withheld(url, settings)
        secret = password or _token_for(url, settings) or url.secret
        if secret is None or url.scheme not in {"http", "https"}:
            return cls(url, settings.git_timeout_s, username, None, withheld)
        remember([secret, f"{username}:{secret}"])
        return cls(url, settings.git_timeout_s, username, secret, withheld)

    def run(
        self,
        *args: str,
        cwd: Path,
        stdin: bytes | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> process.Completed:
        """Run `git ARGS` in `cwd`.

        Raises:
            ProcessFailed, TimeoutExceeded: as `process.run`.
            AuthenticationFailed, AccessDenied, RepositoryNotFound, BranchNotFound, NetworkError,
                RemoteUnavailable: what the remote or the network said (only with `check`).
        """
        done = process.run(
            ["git", *args],
            env=self._environment(env or {}),
            cwd=cwd,
            stdin=stdin,
            timeout_s=self.timeout_s,
            check=False,
            on_stderr=_progress_lines(on_progress) if on_progress else None,
        )
        if check and done.exit_code:
            raise self.failure(done)
        return done

    def failure(self, done: process.Completed) -> WorkflowsError:
        """The error to raise for a failed git command, chosen by what git printed."""
        said = redact(readable_stderr(done.stderr))
        # Text of the server (`remote: …`) must not choose the class of our error.
        own = "\n".join(x for x in done.stderr.split("\n") if not x.startswith("remote:"))
        place = f"{self.url.host}/{self.url.path}".strip("/")
        for pattern, kind, what_, fix in _MEANINGS:
            if re.search(pattern, own):
                unsent = kind is AuthenticationFailed and self.withheld
                what = what_.format(place=place, host=self.url.host)
                return kind(what, why=said, fix=_UNSENT_FIX if unsent else fix)
        name = process.name_of(done.args)
        return ProcessFailed(f"{name} ended with exit code {done.exit_code}", why=said)

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        config = dict(_CONFIG)
        env = environment.for_child(_ISOLATED.items())
        env["GIT_ALLOW_PROTOCOL"] = "file" if self.url.scheme == "file" else "http:https:ssh"
        if self.secret is not None:
            config[f"credential.{self.url.scheme}://{self.url.host}.helper"] = _HELPER
            env[_USERNAME_VARIABLE] = self.username
            env[_SECRET_VARIABLE] = self.secret
        env.update(_as_variables(config.items()))
        env.update(extra)
        return env


def _token_for(url: GitUrl, settings: Settings) -> str | None:
    """The token of the settings that may be sent to the host of `url`."""
    if settings.git_token is not None:
        token = None if _is_git_token_withheld(url, settings) else settings.git_token
    else:
        token = settings.gitlab_token if _is_below(url.text, settings.gitlab_url) else None
    return token.get_secret_value() if token else None


def _is_git_token_withheld(url: GitUrl, settings: Settings) -> bool:
    """Whether there is a GIT_TOKEN, and its hosts do not include this one."""
    hosts = {host.casefold() for host in settings.git_token_hosts}
    return settings.git_token is not None and bool(hosts) and url.host.casefold() not in hosts


def _is_below(url: str, base: str | None) -> bool:
    """Whether `url` is a page of the GitLab at `base`: same scheme, host, port and sub-path."""
    return base is not None and url.startswith(base.rstrip("/") + "/")


def _as_variables(config: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Configuration as GIT_CONFIG_KEY_n / GIT_CONFIG_VALUE_n (git-config(1), ENVIRONMENT)."""
    variables: dict[str, str] = {}
    count = 0
    for key, value in config:
        variables[f"GIT_CONFIG_KEY_{count}"] = key
        variables[f"GIT_CONFIG_VALUE_{count}"] = value
        count += 1
    return variables | {"GIT_CONFIG_COUNT": str(count)}


def readable_stderr(stderr: str, limit: int = 12) -> str:
    """The last `limit` lines of git's stderr, without progress, hints and control characters."""
    lines = [_printable(line.rsplit("\r", 1)[-1]).rstrip() for line in stderr.split("\n")]
    kept = [
        line
        for line in lines
        if line and not re.match(r"hint:|Cloning into|remote: (Enumerating|Counting|Compr)", line)
    ]
    return "\n".join(kept[-limit:])


def _printable(line: str) -> str:
    """The line without control characters, which could change a terminal."""
    return "".join(c for c in line.rstrip() if unicodedata.category(c) not in {"Cc", "Cf"})


def _progress_lines(report: Callable[[str], None]) -> Callable[[str], None]:
    """Turn git's progress (`Receiving objects:  45% (9/20)`) into short notes."""

    def on_chunk(chunk: str) -> None:
        found = re.findall(r"([A-Z][a-z]+ [a-z]+): +(\d+%)", chunk)
        if found:
            report(" ".join(found[-1]).lower())

    return on_chunk


_CREDENTIAL_FIX = (
    "check GIT_TOKEN (or the credential in the URL): not expired, and with the scope"
    " write_repository or api"
)
_UNSENT_FIX = "GIT_TOKEN was not sent: add this host to GIT_TOKEN_HOSTS"
_LATER = "try again later"
# (?>…) matches the first such word of a line only: a server may repeat it many times in a line
_MEANINGS: tuple[tuple[str, type[WorkflowsError], str, str], ...] = (
    (
        r"SSL certificate problem|server certificate verification failed",
        ProcessFailed,
        "the certificate of {host} is not trusted",
        "set GIT_SSL_CAINFO to the file of your certificate authority",
    ),
    (
        r"does not support this repository's (hash algorithm|object format)",
        ProcessFailed,
        "{place} uses another hash algorithm than this git can push to",
        "install a newer git",
    ),
    (
        r"Host key verification failed",
        AuthenticationFailed,
        "the SSH host key of {host} is not known",
        "add it to known_hosts, or use an https:// URL with GIT_TOKEN",
    ),
    (
        (
            r"Authentication failed for|could not read (Username|Password)"
            r"|HTTP Basic: Access denied|returned error: 401|Permission denied \("
        ),
        AuthenticationFailed,
        "{host} does not accept our credentials",
        _CREDENTIAL_FIX,
    ),
    (
        r"returned error: 403|You are not allowed to (download|push)",
        AccessDenied,
        "this token may not do that in {place}",
        "give its user at least the role Developer in the project",
    ),
    (
        (
            r"returned error: 404|does not appear to be a git repository"
            r"|project you were looking for could not be found"
            r"|(?m:^(?>.*?repository ').*' not found|^(?>.*?repository ).* does not exist)"
        ),
        RepositoryNotFound,
        "there is no repository {place}, or this token may not see it",
        "check the URL, and that the token's user is a member of the project",
    ),
    (
        r"(?m:^(?>.*?Remote branch ).* not found)|couldn't find remote ref",
        BranchNotFound,
        "{place} has no such branch",
        "check the branch name",
    ),
    (
        r"returned error: (408|429|5\d\d)",
        RemoteUnavailable,
        "{host} is not able to answer now",
        _LATER,
    ),
    (
        (
            r"Could not resolve host|Failed to connect|Couldn't connect|early EOF|RPC failed"
            r"|Connection (refused|reset|timed|closed)|hung up unexpectedly|unexpected disconnect"
            r"|transfer closed|Operation too slow|Empty reply|SSL_ERROR|gnutls_handshake"
            r"|Recv failure|Send failure|timed out|invalid index-pack output|expected flush"
            r"|bad line length|unexpected EOF"
        ),
        NetworkError,
        "the connection to {host} failed",
        "check the address and the network, then " + _LATER,
    ),
)
