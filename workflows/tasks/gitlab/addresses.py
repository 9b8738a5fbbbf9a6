"""Projects and issues by number, path or web address. Pure: no request is sent.

The forms are those of https://docs.gitlab.com/user/reserved_names/ and of the address bar.
An address is only parsed here; requests go to GITLAB_URL and nowhere else.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from workflows.core.errors import ParametersInvalid
from workflows.core.redaction import redact

_MAX_NUMBER = 2**31 - 1
_MAX_LENGTH = 2_000
_NUMBER = re.compile(r"[0-9]{1,10}")
_SEGMENT = re.compile(r"(?!\.{1,2}$|.*\.(?:git|atom)$)[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_ISSUE = re.compile(r"(?P<project>.+)/-/(?:issues|issues/incident|work_items)/(?P<iid>[0-9]+)/?")
_PORTS = {"http": 80, "https": 443}


class IssueAddress(NamedTuple):
    """The full path of a project, and the number of an issue in it (`iid`)."""

    project: str
    iid: int


def parse_issue_url(url: str, gitlab_url: str) -> IssueAddress:
    """Parse the web address of an issue on this GitLab.

    `/-/issues/N` and `/-/work_items/N` are understood, with any query and fragment.

    Raises:
        ParametersInvalid: another host, another page, or no address at all.
    """
    path = _path_here(url, gitlab_url)
    match = _ISSUE.fullmatch(path)
    if match is None:
        raise _refused(url, "it does not end like /-/issues/12", gitlab_url)
    project = _full_path(match["project"])
    if project is None:
        raise _refused(url, f"{match['project']!r} is no path of a project", gitlab_url)
    iid = int(match["iid"]) if len(match["iid"]) <= 10 else 0  # noqa: PLR2004 - digits of 2**31
    if not 0 < iid <= _MAX_NUMBER:
        raise _refused(url, "its number is no number of an issue", gitlab_url)
    return IssueAddress(project, iid)


def parse_project(ref: int | str, gitlab_url: str) -> int | str:
    """The id of a project, or its full path, from an id, a path or a web address on this GitLab.

    A `.git` at the end and a page of the project (`/-/…`) are taken off.

    Raises:
        ParametersInvalid: another host, or nothing that names a project.
    """
    text = str(ref).strip()
    if _NUMBER.fullmatch(text):
        if 0 < int(text) <= _MAX_NUMBER:
            return int(text)
        raise _refused(text, "it is no id of a project", gitlab_url)
    path = _path_here(text, gitlab_url) if "://" in text else text.strip("/")
    path = path.partition("/-/")[0].removesuffix("/-")
    found = _full_path(path)
    if found is None:
        raise _refused(text, "it is no id, path or address of a project", gitlab_url)
    return found


def origin(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port of an address; the port that its scheme has anyway is None.

    Raises:
        ValueError: the port is no number.
    """
    port = parts.port
    return (parts.hostname or "").rstrip("."), None if port == _PORTS.get(parts.scheme) else port


def _path_here(url: str, gitlab_url: str) -> str:
    """The decoded path below GITLAB_URL, without slashes around it."""
    if len(url) > _MAX_LENGTH or _UNPRINTABLE.search(url):
        raise _refused(url, "it is too long, or holds a blank or a control character", gitlab_url)
    home = urlsplit(gitlab_url)
    try:
        parts = urlsplit(url)
        here = origin(parts) == origin(home)
    except ValueError:
        raise _refused(url, "its host or port cannot be read", gitlab_url) from None
    if parts.scheme not in _PORTS or "@" in parts.netloc:
        raise _refused(url, "it is no plain http or https address", gitlab_url)
    if not here:
        raise _refused(url, "it is on another host", gitlab_url)
    base = home.path.strip("/")
    path = unquote(parts.path)
    if _UNPRINTABLE.search(path):
        raise _refused(url, "it holds a blank or a control character", gitlab_url)
    path = path.strip("/")
    if base:
        if not f"{path}/".startswith(f"{base}/"):
            raise _refused(url, f"it is not below /{base}", gitlab_url)
        path = path[len(base) :].strip("/")
    return path


def _full_path(text: str) -> str | None:
    """A namespace and a project at least, each a name that GitLab would give; else None."""
    path = text.strip("/").removesuffix(".git")
    parts = path.split("/")
    sound = all(_SEGMENT.fullmatch(part) for part in parts)
    return path if sound and len(parts) > 1 and parts[0] != "groups" else None


def _refused(text: str, why: str, gitlab_url: str) -> ParametersInvalid:
    shown = redact(text)
    shown = shown if len(shown) <= 100 else f"{shown[:99]}…"  # noqa: PLR2004 - a line of a message
    return ParametersInvalid(
        f"{shown!r} is not understood",
        why=redact(why)[:300],
        fix=f"give one on {redact(gitlab_url)}, such as group/project or its address",
    )
