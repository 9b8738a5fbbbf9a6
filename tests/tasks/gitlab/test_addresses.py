"""Addresses of issues and projects, taken apart without asking anybody."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.errors import InputError, ParametersInvalid
from workflows.tasks.gitlab import parse_issue_url, parse_project

HOME = "https://gitlab.example.com"
NESTED = "https://example.com:8443/git/lab"

SEGMENTS = st.text("aZ09_.-", max_size=6).map(lambda s: f"s{s}x")
PATHS = st.lists(SEGMENTS, min_size=2, max_size=5).map("/".join)
HOMES = st.sampled_from([HOME, f"{HOME}/", NESTED, "http://127.0.0.1:8080", "http://[::1]:80/x"])
PAGES = st.sampled_from(["issues", "work_items", "issues/incident"])
ENDS = st.sampled_from(["", "/", "?a=b", "#note_12", "/?a=/-/issues/9#x"])


@given(path=PATHS, iid=st.integers(1, 2**31 - 1), home=HOMES, page=PAGES, end=ENDS)
def test_an_issue_address_gives_project_and_number(
    path: str, iid: int, home: str, page: str, end: str
) -> None:
    """On any host, below any sub-path, for any depth of groups."""
    url = f"{home.rstrip('/')}/{path}/-/{page}/{iid}{end}"

    assert parse_issue_url(url, home) == (path, iid)


@given(path=PATHS, home=HOMES, end=st.sampled_from(["", "/", ".git", "/-/tree/main", "/-/issues"]))
def test_a_project_address_gives_its_path(path: str, home: str, end: str) -> None:
    """Also with .git, and for a page of the project; and the path gives itself."""
    assert parse_project(f"{home.rstrip('/')}/{path}{end}", home) == path
    assert parse_project(f"{path}{end}", home) == path


@given(text=st.text(max_size=80), home=HOMES)
def test_no_text_breaks_the_parsers(text: str, home: str) -> None:
    """An answer that gives itself again, or a refusal."""
    for ref in (text, f"{home}/{text}", f"https://{text}"):
        with suppress(InputError):
            found = parse_project(ref, home)
            assert parse_project(found, home) == found
        with pytest.raises(InputError):
            parse_issue_url(ref.replace("/-/", "/"), home)


@given(number=st.integers(1, 2**31 - 1))
def test_a_number_is_an_id(number: int) -> None:
    """As a number and as text."""
    assert parse_project(number, HOME) == parse_project(f" {number} ", HOME) == number


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/a/b/-/issues/1",
        "https://gitlab.example.com.evil.com/a/b/-/issues/1",
        "https://gitlab.example.com:8443/a/b/-/issues/1",
        "https://gitlab.example.com@evil.com/a/b/-/issues/1",
        "https://user:hunter22@gitlab.example.com/a/b/-/issues/1",
        "https://evil.com\\@gitlab.example.com/a/b/-/issues/1",
        "//gitlab.example.com/a/b/-/issues/1",
        "ssh://git@gitlab.example.com/a/b/-/issues/1",
        "git@gitlab.example.com:a/b/-/issues/1",
        "https://gitlab.example.com:port/a/b/-/issues/1",
        "https://[gitlab.example.com/a/b/-/issues/1",
    ],
)
def test_an_issue_elsewhere_is_refused(url: str) -> None:
    """And a password in it is not repeated."""
    with pytest.raises(ParametersInvalid) as caught:
        parse_issue_url(url, HOME)

    assert "gitlab.example.com" in caught.value.fix
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "a/b/-/issues",
        "a/b/-/issues/",
        "a/b/-/issues/0",
        "a/b/-/issues/99999999999999999999",
        "a/b/-/issues/1x",
        "a/b/-/issues/1/designs",
        "a/b/-/issues/\u0661",
        "a/b/-/merge_requests/1",
        "a/b/issues/1",
        "a/-/issues/1",
        "groups/a/-/work_items/1",
        "a/../-/issues/1",
        "a/b%00/-/issues/1",
        "a/b%0a/-/issues/1",
        "a b/c/-/issues/1",
        "a/b/-/issues/1\n",
    ],
)
def test_another_page_is_no_issue(path: str) -> None:
    """What looks nearly right is not guessed at."""
    with pytest.raises(ParametersInvalid):
        parse_issue_url(f"{HOME}/{path}", HOME)


def test_an_issue_outside_the_sub_path_is_refused() -> None:
    """Another program lives there."""
    with pytest.raises(ParametersInvalid, match="not below /git/lab"):
        parse_issue_url("https://example.com:8443/git/label/a/b/-/issues/1", NESTED)


@pytest.mark.parametrize("url", ["HTTPS://GitLab.Example.com:443", "http://gitlab.example.com"])
def test_the_same_host_may_be_written_otherwise(url: str) -> None:
    """Case, the usual port, and http for https: nothing is sent to this address."""
    assert parse_issue_url(f"{url}/a/b/-/issues/7", HOME) == ("a/b", 7)


@pytest.mark.parametrize(
    "ref",
    ["", "shop", "/", "a//b", "a/b/..", "-1", "0", 2**31, "1.5", "groups/a", "a/b?c", "a b/c"],
)
def test_what_names_no_project_is_refused(ref: int | str) -> None:
    """With the reason and an example."""
    with pytest.raises(ParametersInvalid, match="not understood"):
        parse_project(ref, HOME)


def test_a_token_in_an_address_is_not_repeated() -> None:
    """Error messages are logged."""
    with pytest.raises(ParametersInvalid) as caught:
        parse_project("https://oauth2:glpat-0123456789abcdef@gitlab.example.com/a/b", HOME)

    assert "glpat-" not in str(caught.value)
