"""What git's words are taken for, without a git."""

from __future__ import annotations

import pytest

from workflows.core.config.declare import Secret
from workflows.core.config.settings import Settings
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
from workflows.core.git.command import Git, readable_stderr
from workflows.core.git.urls import GitUrl
from workflows.core.process import Completed


def failure(stderr: str, *, withheld: bool = False) -> WorkflowsError:
    url = GitUrl.parse("https://gitlab.example.com/acme/shop.git")
    git = Git(url, timeout_s=1, withheld=withheld)
    return git.failure(Completed(("git", "fetch"), 128, "", stderr, 0.1, truncated=False))


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("fatal: repository 'https://x/y' not found", RepositoryNotFound),
        ("a\nfatal: a repository x repository 'y' does not exist\nb", RepositoryNotFound),
        ("fatal: Remote branch x not found in upstream origin", BranchNotFound),
        ("fatal: repository 'x'\nnot found", ProcessFailed),
        ("fatal: unable to access: SSL certificate problem: self signed", ProcessFailed),
        ("Host key verification failed.\nfatal: hung up unexpectedly", AuthenticationFailed),
        ("fatal: Authentication failed for 'https://x'", AuthenticationFailed),
        ("fatal: The requested URL returned error: 401", AuthenticationFailed),
        ("fatal: The requested URL returned error: 403", AccessDenied),
        ("fatal: The requested URL returned error: 404", RepositoryNotFound),
        ("fatal: The requested URL returned error: 408", RemoteUnavailable),
        ("fatal: The requested URL returned error: 429", RemoteUnavailable),
        ("fatal: The requested URL returned error: 502", RemoteUnavailable),
        ("fatal: Could not resolve host: x", NetworkError),
        ("remote: returned error: 403\nfatal: early EOF", NetworkError),
        ("remote: returned error: 403", ProcessFailed),
    ],
)
def test_a_failure_is_known_by_one_line(stderr: str, kind: type[WorkflowsError]) -> None:
    assert type(failure(stderr)) is kind


@pytest.mark.parametrize("words", ["repository '", "Remote branch ", "repository"])
def test_a_long_line_of_a_server_is_read(words: str) -> None:
    """In quadratic time it would take half an hour."""
    assert type(failure(words * (1_000_000 // len(words)))) is ProcessFailed


def test_a_failure_says_what_git_said_and_which_command_it_was() -> None:
    found = failure("hint: try harder\nfatal: strange")

    assert found.what == "git fetch ended with exit code 128"
    assert found.why == "fatal: strange"


def test_a_token_that_was_not_sent_is_named_as_the_reason_of_a_refused_login_only() -> None:
    refused, absent = "fatal: Authentication failed for 'x'", "returned error: 404"

    assert "GIT_TOKEN_HOSTS" in failure(refused, withheld=True).fix
    assert "GIT_TOKEN_HOSTS" not in failure(refused).fix
    assert "GIT_TOKEN_HOSTS" not in failure(absent, withheld=True).fix
    assert failure(refused).what == "gitlab.example.com does not accept our credentials"
    assert "gitlab.example.com/acme/shop," in failure(absent).what


@pytest.mark.parametrize(
    ("stderr", "kept"),
    [
        ("", ""),
        ("a\n\nb\n", "a\nb"),
        ("hint: x\nCloning into 'y'...\nremote: Counting objects: 3\nfatal: z", "fatal: z"),
        ("remote: Enumerating\nremote: Compressing\nremote: refused", "remote: refused"),
        ("Receiving:  5%\rReceiving: 50%\rReceiving: done", "Receiving: done"),
        ("\x1b[31mred\u202e\tend  ", "[31mredend"),
        ("\n".join(map(str, range(20))), "\n".join(map(str, range(8, 20)))),
    ],
)
def test_what_is_shown_of_stderr(stderr: str, kept: str) -> None:
    assert readable_stderr(stderr) == kept


# --- which credential goes where -------------------------------------------------------------

OURS = {
    "gitlab_url": "https://gitlab.example.com/",
    "gitlab_token": Secret("glpat-ours-0123456789"),
}
TOKEN = "git-token-0123456789"
GIT = {"git_token": Secret(TOKEN)}


@pytest.mark.parametrize(
    ("url", "settings", "user", "secret", "withheld"),
    [
        ("https://x.example.com/a/b", {}, "oauth2", None, False),
        ("https://x.example.com/a/b", GIT, "oauth2", TOKEN, False),
        ("https://x.example.com/a/b", GIT | {"git_username": "ci"}, "ci", TOKEN, False),
        (
            "https://x.example.com/a/b",
            GIT | {"git_token_hosts": ("X.example.com",)},
            "oauth2",
            TOKEN,
            False,
        ),
        (
            "https://X.example.com/a/b",
            GIT | {"git_token_hosts": ("y", "x.example.com")},
            "oauth2",
            TOKEN,
            False,
        ),
        ("https://x.example.com/a/b", GIT | {"git_token_hosts": ("y",)}, "oauth2", None, True),
        ("https://x.example.com/a/b", {"git_token_hosts": ("y",)}, "oauth2", None, False),
        ("https://ada:s3cret-w0rd@x.example.com/a/b", GIT, "ada", "s3cret-w0rd", False),
        (
            "https://ada:s3cret-w0rd@x.example.com/a/b",
            GIT | {"git_token_hosts": ("y",)},
            "ada",
            "s3cret-w0rd",
            False,
        ),
        ("ssh://git@x.example.com/a/b", GIT, "git", None, False),
        ("https://gitlab.example.com/a/b", OURS, "oauth2", "glpat-ours-0123456789", False),
        ("https://gitlab.example.com/a/b", OURS | GIT, "oauth2", TOKEN, False),
        (
            "https://gitlab.example.com/a/b",
            OURS | GIT | {"git_token_hosts": ("y",)},
            "oauth2",
            None,
            True,
        ),
        ("https://gitlab.example.com.evil.com/a/b", OURS, "oauth2", None, False),
        ("http://gitlab.example.com/a/b", OURS, "oauth2", None, False),
        (
            "https://gitlab.example.com/sub/a",
            OURS | {"gitlab_url": "https://gitlab.example.com/sub"},
            "oauth2",
            "glpat-ours-0123456789",
            False,
        ),
        (
            "https://gitlab.example.com/submarine/a",
            OURS | {"gitlab_url": "https://gitlab.example.com/sub"},
            "oauth2",
            None,
            False,
        ),
    ],
)
def test_a_token_goes_only_where_it_may(
    url: str, settings: dict[str, object], user: str, secret: str | None, *, withheld: bool
) -> None:
    git = Git.for_url(GitUrl.parse(url), Settings(**settings))

    assert (git.username, git.secret, git.withheld) == (user, secret, withheld)


def test_a_local_path_is_refused_where_the_settings_do_not_allow_it() -> None:
    url = GitUrl.parse("/srv/shop.git", allow_local=True)

    assert Git.for_url(url, Settings(allow_local_repositories=True)).secret is None
    with pytest.raises(UrlRefused, match="not accepted"):
        Git.for_url(url, Settings())
