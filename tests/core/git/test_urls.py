"""Repository URLs: taken apart, without their credentials, and refused where they are unsafe."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from workflows.core.errors import UrlRefused
from workflows.core.field_errors import as_field_error
from workflows.core.git.branch_names import check_branch_name
from workflows.core.git.urls import GitUrl


@pytest.mark.parametrize(
    ("text", "host", "path", "web"),
    [
        ("https://gitlab.example.com/acme/shop.git", "gitlab.example.com", "acme/shop", "https"),
        ("https://gitlab.example.com/acme/shop", "gitlab.example.com", "acme/shop", "https"),
        ("https://gitlab.example.com/acme/shop/", "gitlab.example.com", "acme/shop", "https"),
        ("HTTPS://GitLab.example.com/a/b/c.git", "gitlab.example.com", "a/b/c", "https"),
        ("http://127.0.0.1:8080/acme/shop.git", "127.0.0.1:8080", "acme/shop", "http"),
        ("https://[::1]:8443/acme/shop.git", "[::1]:8443", "acme/shop", "https"),
        ("https://my_host/acme/shop", "my_host", "acme/shop", "https"),
    ],
)
def test_an_http_url_is_taken_apart(text: str, host: str, path: str, web: str) -> None:
    """Host, repository and the branch's page follow from an HTTP URL."""
    url = GitUrl.parse(text)

    assert (url.host, url.path, url.name) == (host, path, path)
    assert url.branch_url("a/b#c") == f"{web}://{host}/{path}/-/tree/a/b%23c"
    assert (url.username, url.secret) == (None, None)


@pytest.mark.parametrize(
    ("text", "user", "host", "web_host"),
    [
        ("git@gitlab.example.com:acme/shop.git", "git", "gitlab.example.com", "gitlab.example.com"),
        ("gitlab.example.com:acme/shop.git", None, "gitlab.example.com", "gitlab.example.com"),
        ("git@GitLab.example.com:/acme/shop", "git", "gitlab.example.com", "gitlab.example.com"),
        ("ssh://git@h.example/acme/shop.git", "git", "git@h.example", "h.example"),
        ("ssh://h.example:2222/acme/shop.git", None, "h.example:2222", "h.example"),
        ("ssh://git@[::1]:22/acme/shop.git", "git", "git@[::1]:22", "[::1]"),
        ("ssh://git@[::1]/acme/shop.git", "git", "git@[::1]", "[::1]"),
    ],
)
def test_an_ssh_url_is_taken_apart(text: str, user: str | None, host: str, web_host: str) -> None:
    """Both spellings of an SSH URL give user, host and repository; its pages are on https."""
    url = GitUrl.parse(text)

    assert (url.scheme, url.username, url.host, url.path) == ("ssh", user, host, "acme/shop")
    assert url.secret is None
    assert url.branch_url("x") == f"https://{web_host}/acme/shop/-/tree/x"


def test_github_has_its_own_pages() -> None:
    """A branch's page on github.com has no `-` in its path."""
    url = GitUrl.parse("https://github.com/acme/shop.git")

    assert url.branch_url("a") == "https://github.com/acme/shop/tree/a"


def test_a_page_is_a_link_whatever_the_path_holds() -> None:
    """Characters that mean something in a URL stay encoded in the branch's page."""
    url = GitUrl.parse("https://h.example/a%20b/c%3Fd.git")

    assert url.name == "a b/c?d"
    assert url.branch_url("x y") == "https://h.example/a%20b/c%3Fd/-/tree/x%20y"


@pytest.mark.parametrize(
    ("userinfo", "user", "secret"),
    [
        ("oauth2:tok", "oauth2", "tok"),
        ("somebody", "somebody", None),
        ("glpat-0123456789", "glpat-0123456789", "glpat-0123456789"),
        ("me:p%40ss%2F", "me", "p@ss/"),
        (":tok", None, "tok"),
        ("me:p@ss", "me", "p@ss"),
    ],
)
def test_a_credential_is_moved_out_of_the_url(userinfo: str, user: str | None, secret: str) -> None:
    """User and secret are decoded and kept apart from the text of the URL."""
    url = GitUrl.parse(f"https://{userinfo}@h.example:8443/acme/shop.git")

    assert (url.username, url.secret) == (user, secret)
    assert url.text == "https://h.example:8443/acme/shop.git"


@settings(deadline=None, max_examples=200)
@given(
    user=st.text(st.characters(exclude_categories=["C"]), max_size=8),
    secret=st.text(st.characters(exclude_categories=["C"]), max_size=20),
    host=st.sampled_from(["h.example", "h.example:8443", "[::1]", "127.0.0.1:80"]),
    branch=st.sampled_from(["main", "feature/login"]),
)
def test_no_credential_is_shown(user: str, secret: str, host: str, branch: str) -> None:
    """Neither str, repr, the branch's page nor a dump of the URL shows what it carried."""
    secret = "Zz9" + secret
    url = GitUrl.parse(
        f"https://x{quote(user, safe='')}:{quote(secret, safe='')}@{host}/acme/shop.git"
    )
    adapter = TypeAdapter(GitUrl)

    shown = f"{url} {url!r} {url.branch_url(branch)} {url.name} {adapter.dump_json(url).decode()}"

    assert url.secret == secret
    assert "Zz9" not in shown
    assert str(GitUrl.parse(str(url))) == str(url)


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.sampled_from(
                [
                    "-",
                    "--",
                    "ext::",
                    "ssh",
                    "https",
                    "://",
                    ":",
                    "/",
                    "@",
                    "%2d",
                    "%0a",
                    "%00",
                    "h",
                    "[",
                    "]",
                    "a",
                    ".",
                    "::1",
                    "?",
                    "#",
                    "-oProxyCommand=x",
                    "file",
                    " ",
                    "~",
                    "\n",
                ]
            ),
            max_size=9,
        ).map("".join),
    )
)
@example("ssh://-oProxyCommand=x/a")
@example("https://a%0ab@h/p")
def test_nothing_accepted_can_be_taken_for_an_option(text: str) -> None:
    """Whatever is accepted starts nowhere with `-` and holds no control character, decoded too."""
    try:
        url = GitUrl.parse(text)
    except UrlRefused:
        return

    parts = (url.text, url.host, url.host.rpartition("@")[2], url.username or "", url.secret or "")
    assert not any(part.startswith("-") for part in parts[:4])
    assert not any(ord(c) < 32 or ord(c) == 127 for part in (*parts, url.path) for c in part)
    assert url.scheme in {"http", "https", "ssh"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x:acme/shop",
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::17",
        "EXT::sh",
        "::sh",
        "file:///srv/git/shop.git",
        "FILE:///srv/git/shop.git",
        "/srv/git/shop.git",
        "./shop.git",
        "../shop",
        "shop",
        "~/shop",
        "ftp://h.example/acme/shop",
        "git://h.example/acme/shop",
        "git+ssh://h.example/acme/shop",
        "javascript://h.example/acme/shop",
        "://h.example/acme/shop",
        "https://h.example",
        "https://h.example/",
        "https://h.example/.git",
        "https:///acme/shop",
        "https://user@/acme/shop",
        "https://h.example:port/acme/shop",
        "https://h.example:99999/acme/shop",
        "https://[::1/acme/shop",
        "https://h%2eexample/acme/shop",
        "https://h.example/acme/shop?ref=main",
        "https://h.example/acme/shop#main",
        "https://h.example/acme/shop .git",
        "https://h.example/acme\nshop",
        "https://h.example/acme%0Ashop",
        "https://a%0Ahost=evil:tok@h.example/acme/shop",
        "https://h.example/acme\x00shop",
        "https://h.example/acme\x7fshop",
        "https://-h.example/acme/shop",
        "ssh://-oProxyCommand=x/acme/shop",
        "ssh://-oProxyCommand=x@h.example/acme/shop",
        "ssh://%2doProxyCommand=x@h.example/acme/shop",
        "ssh://%2doProxyCommand=x/acme/shop",
        "ssh://git:password@h.example/acme/shop",
        "git@-oProxyCommand=x:acme/shop",
        "git@h.example:-oProxyCommand=x",
        "h.example:-x",
        "git@h.example:",
        "me:password@h.example:acme/shop",
        "https:/me:password@h.example/acme/shop",
        "https:h.example/acme/shop",
    ],
)
def test_a_url_that_is_unsafe_or_none_is_refused(text: str) -> None:
    """Transports that run programs, options, paths, SSH passwords and non-URLs are refused."""
    with pytest.raises(UrlRefused) as caught:
        GitUrl.parse(text)

    assert caught.value.exit_code == 2
    assert "http" in caught.value.fix
    assert caught.value.what.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "https://me:Zz9pass@h.example/",
        "https://me:Zz9p@ss@h.example/acme/shop?x=1",
        "ftp://me:Zz9pass@h.example/acme/shop",
        "me:Zz9pass@h.example:acme/shop",
        "me:Zz9pass@h.example/acme/shop",
        "ssh://git:Zz9pass@h.example/acme/shop",
        "https:/me:Zz9pass@h.example/acme/shop",
    ],
)
def test_a_refusal_does_not_repeat_the_credential(text: str) -> None:
    """The message about a refused URL shows it without what it carried."""
    with pytest.raises(UrlRefused) as caught:
        GitUrl.parse(text)

    assert "Zz9" not in str(caught.value)
    assert "ss@" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [("/srv/git/shop.git", "shop"), ("file:///srv/git/shop.git/", "shop"), ("./shop", "shop")],
)
def test_a_local_repository_where_that_is_allowed(text: str, name: str) -> None:
    """With `allow_local` a path is a repository without host, pages or credential."""
    url = GitUrl.parse(text, allow_local=True)

    assert (url.scheme, url.host, url.name) == ("file", "", name)
    assert url.branch_url("main") is None
    assert url.text == text


class Parameters(BaseModel):
    """A model with a URL in it."""

    git_url: GitUrl


def test_a_field_can_be_a_url() -> None:
    """A pydantic field takes text, gives a GitUrl, and is dumped without the credential."""
    parameters = Parameters.model_validate({"git_url": "https://me:Zz9pass@h.example/acme/shop"})

    assert parameters.git_url.secret == "Zz9pass"
    assert parameters.model_dump_json() == '{"git_url":"https://h.example/acme/shop"}'
    assert Parameters(git_url=parameters.git_url) == parameters
    assert Parameters.model_json_schema()["properties"]["git_url"]["format"] == "git-url"


@pytest.mark.parametrize("value", [None, 7, b"https://h/a", ["https://h/a"], "/srv/git/shop.git"])
def test_a_field_refuses_what_is_no_url(value: object) -> None:
    """A value that is no text, or a text that is refused, is one finding of that field."""
    with pytest.raises(ValidationError) as caught:
        Parameters.model_validate({"git_url": value})

    assert [e["loc"] for e in caught.value.errors()] == [("git_url",)]


def test_the_context_admits_local_repositories() -> None:
    """The validation context says whether paths are repositories."""
    values = {"git_url": "/srv/git/shop.git"}

    parameters = Parameters.model_validate(values, context={"allow_local": True})

    assert parameters.git_url.name == "shop"
    with pytest.raises(ValidationError, match="path on this machine"):
        Parameters.model_validate(values, context={"allow_local": False})


def test_a_message_with_braces_stays_as_it_is() -> None:
    """A name that looks like a template is shown, not filled in."""
    with pytest.raises(PydanticCustomError, match=r"'\{reason\}~' cannot be"):
        as_field_error(check_branch_name, "{reason}~")


@pytest.mark.parametrize("text", [":" * 1_000_000, "https://" + ":" * 1_000_000])
def test_a_url_as_long_as_may_be_is_refused(text: str) -> None:
    """In quadratic time it would take hours, to say so and to show it."""
    with pytest.raises(UrlRefused):
        GitUrl.parse(text)
