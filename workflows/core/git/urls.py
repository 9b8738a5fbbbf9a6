"""The URL of a git repository as people write it: checked once, and taken apart. Pure.

Forms: the "GIT URLS" section of git-clone(1), without the transports that run programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from workflows.core.errors import UrlRefused
from workflows.core.field_errors import as_field_error
from workflows.core.redaction import safely_quoted

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

_BLANK = re.compile(r"[\x00-\x20\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TRANSPORT = re.compile(r"[A-Za-z0-9+.-]*::")
_NO_SLASHES = re.compile(r"[^@/:]*:[^@]*@|(?:https?|ssh|git|file):", re.IGNORECASE)
_SSH_SHORT_FORM = re.compile(r"(?:([^@/:]+)@)?([A-Za-z0-9][A-Za-z0-9.-]*):(?!-)([^:].*)")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9a-fA-F:]+")
_TOKEN_LIKE = re.compile(r"gl[a-z]{2,6}-|gh[a-z]_|github_pat_|.{20}")
_SSH_USER = "SSH wants a key, not a password, and no option as user name"
_ENCODE = "/, @, # and ? in a password are written as %2F, %40, %23 and %3F"


@dataclass(frozen=True, slots=True)
class GitUrl:
    """Where a repository is. `text` never holds a credential: that was moved to `secret`.

    `username` and `secret` are what the URL itself carried (None where it carried none); a lone
    user name in an HTTP URL that looks like a token is one, which is how people write those.
    """

    text: str
    scheme: str
    host: str
    path: str
    username: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The URL without credentials."""
        return self.text

    @classmethod
    def parse(cls, text: str, *, allow_local: bool = False) -> GitUrl:
        """Take a URL apart and refuse what is unsafe.

        Raises:
            UrlRefused: a leading `-`, a transport that runs programs, a local path that is not
                allowed, a password for SSH, or a text that is no repository URL.
        """
        _refuse_unsafe(text)
        if "://" in text:
            return _with_scheme(text, allow_local=allow_local)
        if _NO_SLASHES.match(text):
            raise _refused(text, "the // after the scheme is missing")
        short = _SSH_SHORT_FORM.fullmatch(text)
        if short:
            user, host, path = short.groups()
            if user and user.startswith("-"):
                raise _refused(text, "the user name starts with '-'")
            return cls(text, "ssh", host.lower(), _clean_path(path), user)
        return _local(text, text, allow_local=allow_local)

    @property
    def name(self) -> str:
        """The repository for people: `acme/shop`; the last folder's name for local paths."""
        return self.path.rsplit("/", 1)[-1] if self.scheme == "file" else self.path

    def branch_url(self, branch: str) -> str | None:
        """The branch's page on the web, GitLab's way (GitHub's on github.com); None if local."""
        if self.scheme == "file":
            return None
        if self.scheme == "ssh":
            host = re.sub(r":\d+$", "", self.host.rpartition("@")[2])
            base = f"https://{host}/{quote(self.path)}"
        else:
            base = f"{self.scheme}://{self.host}/{quote(self.path)}"
        infix = "tree" if self.host.endswith("github.com") else "-/tree"
        return f"{base}/{infix}/{quote(branch)}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Let a pydantic field be a GitUrl: from text, back to text without credentials.

        The validation context `{"allow_local": True}` admits local repositories.
        """
        from pydantic_core import core_schema  # noqa: PLC0415 - this module stays light

        def validate(value: object, info: core_schema.ValidationInfo) -> GitUrl:
            if isinstance(value, GitUrl):
                return value
            allow = bool((info.context or {}).get("allow_local"))
            return as_field_error(lambda text: cls.parse(text, allow_local=allow), value)

        return core_schema.with_info_plain_validator_function(
            validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "git-url"}


def _refuse_unsafe(text: str) -> None:
    if not text or text.startswith("-") or _BLANK.search(text):
        raise _refused(text, "it is empty, starts with '-', or contains a blank")
    if _TRANSPORT.match(text):
        raise _refused(text, "transports of the form name::address run programs here")
    if _CONTROL.search(unquote(text)):
        raise _refused(text, "it contains a control character, percent-encoded")


def _with_scheme(text: str, *, allow_local: bool) -> GitUrl:
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        return _local(text, rest, allow_local=allow_local)
    if scheme not in {"http", "https", "ssh"}:
        raise _refused(text, f"{scheme}:// is not one of https, http, ssh")
    parts, address = _parts_and_address(text)
    user, password = _user_and_password(text, parts)
    if scheme == "ssh":
        if password:
            raise _refused(text, _SSH_USER)
        address = f"{quote(user)}@{address}" if user else address
        secret = None
    else:
        secret = password or (user if _TOKEN_LIKE.match(user) else None)
    shown = f"{scheme}://{address}{parts.path}"
    return GitUrl(shown, scheme, address, _clean_path(parts.path), user or None, secret)


def _parts_and_address(text: str) -> tuple[SplitResult, str]:
    """The parts of a URL, and its host and port without a user."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # its message would repeat a part of a password
        raise _refused(text, "its host or port cannot be read; " + _ENCODE) from None
    if not _HOST.fullmatch(host):
        raise _refused(text, "it has no host name, or a strange one")
    if not _clean_path(parts.path) or parts.query or parts.fragment or "@" in parts.path:
        raise _refused(text, "it has no repository path, or more than one; " + _ENCODE)
    shown = f"[{host}]" if ":" in host else host
    return parts, shown + (f":{port}" if port else "")


def _user_and_password(text: str, parts: SplitResult) -> tuple[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if unquote(user).startswith("-"):
        raise _refused(text, _SSH_USER)
    return unquote(user), unquote(password)


def _local(text: str, path: str, *, allow_local: bool) -> GitUrl:
    if not allow_local:
        raise UrlRefused(
            f"{safely_quoted(text)} is not accepted as a repository URL",
            why="it is a path on this machine, or no URL at all",
            fix="give an https:// or ssh URL, or set WORKFLOWS_ALLOW_LOCAL_REPOSITORIES=true",
        )
    return GitUrl(text, "file", "", _clean_path(path))


def _clean_path(path: str) -> str:
    return unquote(path).strip("/").removesuffix(".git").strip("/")


def _refused(text: str, why: str) -> UrlRefused:
    return UrlRefused(
        f"{safely_quoted(text)} is not accepted as a repository URL",
        why=why,
        fix="give a URL such as https://gitlab.example.com/group/project.git",
    )
