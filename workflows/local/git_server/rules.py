"""GitLab's rules for git over HTTP: which requests exist, who may do what, and its error texts.

The decisions before git runs are pure functions. The ones that need the pushed commits are made
by a `pre-receive` hook, a small POSIX shell script that gets the rules in its environment.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, cast
from urllib.parse import parse_qs, quote, unquote

from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

Service = Literal["git-upload-pack", "git-receive-pack"]

REPORTER = 20
DEVELOPER = 30
MAINTAINER = 40

UNAUTHORISED = (
    "HTTP Basic: Access denied. If a password was provided for Git authentication, the password "
    "was incorrect or you're required to use a token instead of a password. If a token was "
    "provided, it was either incorrect, expired, or improperly scoped."
)
NOT_FOUND = (
    "The project you were looking for could not be found or you don't have permission to view it."
)
DOWNLOAD_FORBIDDEN = "You are not allowed to download code from this project."
PUSH_FORBIDDEN = "You are not allowed to push code to this project."

_ROUTE = re.compile(
    r"/(?P<path>.+?)(?P<suffix>\.git)?/(?P<verb>info/refs|git-upload-pack|git-receive-pack)"
)
_SERVICES = ("git-upload-pack", "git-receive-pack")
# Characters that no branch name can have. A pattern with one of them protects nothing, and the
# shell of the hook would read some of them as wildcards; GitLab has `*` only.
_NEVER_IN_A_BRANCH = re.compile(r"[\x00-\x20\x7f?\[\\^~:]")


class GitRefusal(NamedTuple):
    """An HTTP answer in place of the repository."""

    status: int
    text: str


class RefChange(NamedTuple):
    """One ref of a push that was accepted; an id of zeros means: created or deleted.

    `options` are the push options of the whole push (`git push -o`).
    """

    old: str
    new: str
    ref: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtectedBranch:
    """A branch, or all that a `*` in `pattern` matches, kept from those below `push_level`.

    A `push_level` of 0 keeps everybody out.
    """

    pattern: str
    push_level: int = MAINTAINER
    allow_force_push: bool = False


@dataclass(frozen=True, slots=True)
class PushRules:
    """What one user's push is checked against. `decline`: the text every push is declined with."""

    level: int = MAINTAINER
    protected: tuple[ProtectedBranch, ...] = ()
    decline: str | None = None

    def for_hooks(self) -> dict[str, str]:
        """The rules as the environment variables that the hooks read."""
        lines = [
            f"{int(0 < rule.push_level <= self.level)} {int(rule.allow_force_push)} {rule.pattern}"
            for rule in self.protected
            if not _NEVER_IN_A_BRANCH.search(rule.pattern)
        ]
        return {
            "WORKFLOWS_PROTECTED": "\n".join(lines),
            "WORKFLOWS_MAY_DELETE": str(int(self.level >= MAINTAINER)),
            "WORKFLOWS_DECLINE": self.decline or "",
        }


def access_refusal(service: Service, *, level: int, public: bool) -> GitRefusal | None:
    """Why somebody with this access level on a project may not have `service`; None: they may.

    Level 0 is no member. A project that cannot be seen is refused like an absent one.
    """
    if not level and not public:
        return GitRefusal(404, NOT_FOUND)
    if service == "git-receive-pack":
        return GitRefusal(403, PUSH_FORBIDDEN) if level < DEVELOPER else None
    return GitRefusal(403, DOWNLOAD_FORBIDDEN) if level < REPORTER and not public else None


@dataclass(frozen=True, slots=True)
class Access:
    """A request that may go ahead, and with what.

    `on_push` is called, in the event loop, with the refs that a push changed, just before its
    answer ends: when `git push` returns, it has happened.
    """

    repository: Path
    rules: PushRules = field(default_factory=PushRules)
    on_push: Callable[[list[RefChange]], None] | None = None


class AccessControl(Protocol):
    """Decides who may fetch and push. Called in the event loop, so it must not block."""

    def identify(self, user: str, token: str) -> str | None:
        """The user name behind these credentials, or None when they are wrong."""

    def authorise(self, path: str, user: str | None, service: Service) -> Access | GitRefusal:
        """What `user` (None: anonymous) gets for the project at `path`, given without `.git`.

        An anonymous user whom this refuses is answered with 401.
        """


class GitRequest(NamedTuple):
    """A request for git: the project path without `.git`, the service, and the end of the URL."""

    path: str
    service: Service
    verb: str


def parse_git_request(request: Request) -> GitRequest | Response:
    """Parse a request, or return the answer to one that is not git's.

    The raw path is read, because `%2F` does not separate parts.
    """
    root = quote(request.scope.get("root_path", ""))
    raw = request.scope["raw_path"].decode("latin-1").removeprefix(root)
    match = _ROUTE.fullmatch(raw)
    path = _decoded(match["path"]) if match else None
    if match is None or path is None:
        return _not_found()
    verb = match["verb"]
    if verb == "info/refs":
        moved = "" if match["suffix"] else f"{root}/{match['path']}.git/info/refs"
        return _advertisement(request, path, moved)
    if request.method != "POST" or not match["suffix"]:
        return _not_found()
    return GitRequest(path, cast("Service", verb), verb)


def _advertisement(request: Request, path: str, moved: str) -> GitRequest | Response:
    """The first request of every fetch and push; one without `.git` is redirected."""
    services = parse_qs(request.url.query).get("service", [])
    if request.method not in ("GET", "HEAD") or len(services) != 1 or services[0] not in _SERVICES:
        return _not_found()
    if request.method == "HEAD":
        return Response(status_code=403)
    if moved:
        return RedirectResponse(f"{moved}?service={services[0]}", 301)
    return GitRequest(path, cast("Service", services[0]), "info/refs")


def _decoded(raw: str) -> str | None:
    """The project path, or None if some part of it would not be one plain name."""
    try:
        parts = [unquote(part, errors="strict") for part in raw.split("/")]
    except UnicodeDecodeError:
        return None
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        return None
    return "/".join(parts)


def basic_credentials(header: str) -> tuple[str, str] | None:
    """User and token of an `Authorization: Basic` header; None unless both are there."""
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, token) if scheme.lower() == "basic" and user and token else None


def git_unauthorized() -> Response:
    """401; the same whether or not the project exists."""
    return PlainTextResponse(UNAUTHORISED, 401, {"WWW-Authenticate": 'Basic realm="GitLab"'})


def _not_found() -> Response:
    """The answer to everything that is not git."""
    return PlainTextResponse(NOT_FOUND, 404)


def install_hooks(folder: Path) -> None:
    """Write both hooks to `folder`, to be used by any number of repositories (core.hooksPath)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in (("pre-receive", _PRE_RECEIVE), ("post-receive", _POST_RECEIVE)):
        hook = folder / name
        hook.write_text(script, encoding="utf-8")
        hook.chmod(0o755)


# Both scripts run in the bare repository, so the default branch is read from its HEAD file.
_PRELUDE = """\
#!/bin/sh
# Written by workflows.local.git_server.rules; changes here are lost.
set -u
LC_ALL=C
read -r _ head <HEAD
default=${head#refs/heads/}

blank() { case $1 in *[!0]*) return 1 ;; esac; }
"""

# The order of the checks is GitLab's (lib/gitlab/checks/branch_check.rb); the first failure ends
# the push as a whole. Where several patterns match, the most permissive one counts.
_PRE_RECEIVE = (
    _PRELUDE
    + """
refuse() {
    printf '%s\\n' "$1" | while IFS= read -r line; do printf 'GitLab: %s\\n' "$line"; done >&2
    exit 1
}

match() {
    protected=0 may_push=0 may_force=0
    while read -r push force pattern; do
        case $name in
        $pattern)
            protected=1
            [ "$push" = 0 ] || may_push=1
            [ "$force" = 0 ] || may_force=1
            ;;
        esac
    done <<END
$WORKFLOWS_PROTECTED
END
}

check_protected() {
    if ! blank "$old" && ! blank "$new" && [ $may_force = 0 ] &&
        ! git merge-base --is-ancestor "$old" "$new"; then
        refuse 'You are not allowed to force push code to a protected branch on this project.'
    fi
    if blank "$new"; then
        [ "$WORKFLOWS_MAY_DELETE" = 1 ] || refuse 'You are not allowed to delete protected \
branches from this project. Only a project maintainer or owner can delete a protected branch.'
        refuse 'You can only delete protected branches using the web interface.'
    fi
    [ $may_push = 0 ] || return 0
    if blank "$old" && [ -n "$(git for-each-ref --count=1)" ]; then
        refuse 'You are not allowed to create protected branches on this project.'
    fi
    refuse 'You are not allowed to push code to protected branches on this project.'
}

while read -r old new ref; do
    name=${ref#refs/heads/}
    [ "$name" != "$ref" ] || continue
    if blank "$new"; then
        [ "$name" != "$default" ] || refuse 'The default branch of a project cannot be deleted.'
    else
        case $name in
        @HEX40@ | @HEX40@[-/]*)
            refuse 'You cannot create a branch with a 40-character hexadecimal branch name.'
            ;;
        esac
    fi
    match
    [ $protected = 0 ] || check_protected
done
[ -z "$WORKFLOWS_DECLINE" ] || refuse "$WORKFLOWS_DECLINE"
"""
).replace("@HEX40@", "[0-9A-Fa-f]" * 40)

_POST_RECEIVE = (
    _PRELUDE
    + """
# Percent-encode, byte by byte: a URL in a terminal must end where it ends.
encode() {
    rest=$1
    while [ -n "$rest" ]; do
        tail=${rest#?}
        byte=${rest%"$tail"}
        rest=$tail
        case $byte in
        [A-Za-z0-9._~-]) printf %s "$byte" ;;
        *) printf %%%02X $(($(printf %d "'$byte") & 255)) ;;
        esac
    done
}

number=0
while [ -n "$WORKFLOWS_PUSHED" ] && [ $number -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
    eval "option=\\$GIT_PUSH_OPTION_$number"
    printf 'option %s\\n' "$option" >>"$WORKFLOWS_PUSHED"
    number=$((number + 1))
done

while read -r old new ref; do
    [ -z "$WORKFLOWS_PUSHED" ] || printf '%s %s %s\\n' "$old" "$new" "$ref" >>"$WORKFLOWS_PUSHED"
    name=${ref#refs/heads/}
    if [ "$name" != "$ref" ] && [ "$name" != "$default" ] && blank "$old" && ! blank "$new"; then
        printf '\\nTo create a merge request for %s, visit:\\n  %s%s\\n\\n' \\
            "$name" "$WORKFLOWS_NEW_MERGE_REQUEST" "$(encode "$name")"
    fi
done
"""
)
