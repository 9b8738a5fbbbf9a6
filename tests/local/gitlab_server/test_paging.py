"""Pages: by offset with their headers, by keyset, and parameters in all their spellings."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflows.local.gitlab_server.actions import editing
from workflows.local.gitlab_server.http.api_call import ApiCall
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.parameters import nested_parameters, request_parameters

if TYPE_CHECKING:
    from tests.local.gitlab_server.support import Shop


class _Lab:
    url = "http://gitlab.test"


def shown(items: list[int], **params: Any) -> Any:
    """A page of `items`, asked for without a server."""
    call = ApiCall(_Lab(), "GET", "things", "state=all&page=9", {}, params, None)  # type: ignore[arg-type]
    return paginate(call, items, lambda item: item, key=lambda item: item)


def links(answer: Any) -> dict[str, str]:
    header = answer.headers.get("Link", "")
    return {rel: url for url, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', header)}


@given(total=st.integers(0, 60), size=st.integers(1, 30), number=st.integers(1, 70))
def test_offset_pages_add_up(total: int, size: int, number: int) -> None:
    """Following X-Next-Page from page 1 shows every row once; a page past the end is empty."""
    items = list(range(total))
    seen: list[int] = []
    following = "1"
    while following:
        answer = shown(items, page=following, per_page=size)
        seen += json.loads(answer.body)
        assert answer.headers["X-Total"] == str(total)
        assert ("next" in links(answer)) == bool(answer.headers["X-Next-Page"])
        following = answer.headers["X-Next-Page"]
    assert seen == items
    far = shown(items, page=number, per_page=size)
    assert json.loads(far.body) == items[(number - 1) * size : number * size]


@given(
    items=st.lists(st.integers(1, 10_000), unique=True, max_size=60),
    size=st.integers(1, 25),
    sort=st.sampled_from(["asc", "desc"]),
)
def test_keyset_pages_add_up(items: list[int], size: int, sort: str) -> None:
    """Following rel=next shows every row once, in order; the last page has no Link."""
    seen: list[int] = []
    params: dict[str, Any] = {}
    while True:
        answer = shown(items, pagination="keyset", sort=sort, per_page=size, **params)
        seen += json.loads(answer.body)
        assert "X-Total" not in answer.headers
        if "next" not in links(answer):
            break
        params = {"cursor": re.findall(r"cursor=([^&]+)", links(answer)["next"])[0]}
        params["cursor"] = params["cursor"].replace("%3D", "=")
    assert seen == sorted(items, reverse=sort == "desc")


def test_long_lists_are_not_counted() -> None:
    """Over 10,000 rows there is no total and no last page."""
    answer = shown(list(range(10_001)))

    assert "X-Total" not in answer.headers
    assert "last" not in links(answer)


def test_links_keep_the_filters_but_no_token(shop: Shop) -> None:
    """A client follows them as they are."""
    for number in range(3):
        editing.open_issue(shop.lab, shop.project, shop.user("gus"), f"Issue {number}")

    answer = shop.ask("GET", "./issues?state=opened&per_page=2&private_token=glpat-mona", None)
    following = shop.http.get(links(answer)["next"], headers={"PRIVATE-TOKEN": shop.tokens["mona"]})

    assert (answer.headers["X-Total"], answer.headers["X-Prev-Page"]) == ("3", "")
    assert "state=opened" in links(answer)["next"]
    assert "private_token" not in answer.headers["Link"]
    assert [one["title"] for one in following.json()] == ["Issue 0"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("page=0", "page does not have a valid value"),
        ("per_page=0", "per_page does not have a valid value"),
        ("page=x", "page is invalid"),
    ],
)
def test_no_such_page(shop: Shop, query: str, problem: str) -> None:
    """400 in the shape of a parameter error."""
    answer = shop.ask("GET", f"./issues?{query}")

    assert (answer.status_code, answer.json()) == (400, {"error": problem})


def test_pages_are_clamped_to_100(shop: Shop) -> None:
    """Larger ones are not refused."""
    assert shop.ask("GET", "./issues?per_page=500").headers["X-Per-Page"] == "100"


def test_keyset_is_refused_where_there_is_none(shop: Shop) -> None:
    """405, as GitLab says."""
    assert shop.ask("GET", "./labels?pagination=keyset").status_code == 405


def test_python_gitlab_walks_all_pages(shop: Shop) -> None:
    """By offset and by keyset, through another implementation of paging."""
    for number in range(7):
        editing.open_issue(shop.lab, shop.project, shop.user("gus"), f"Issue {number}")
    client = shop.client()

    offset = [one.iid for one in client.issues.list(iterator=True, per_page=3)]
    keyset = [
        one.iid
        for one in client.issues.list(
            iterator=True, per_page=3, pagination="keyset", order_by="id", sort="asc"
        )
    ]

    assert (offset, keyset) == ([7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize("kind", ["json", "form", "multipart", "query"])
def test_parameters_come_in_every_way(shop: Shop, kind: str) -> None:
    """JSON, form, multipart and query string make the same issue."""
    given: dict[str, Any] = {"title": "Täst", "labels": "b,a", "confidential": "true"}
    options: dict[str, Any] = {
        "json": {"json": given},
        "form": {"data": given},
        "multipart": {"files": {name: (None, value) for name, value in given.items()}},
        "query": {"params": given},
    }[kind]

    made = shop.ask("POST", "./issues", **options)

    assert made.status_code == 201, made.text
    found = made.json()
    assert (found["title"], found["labels"], found["confidential"]) == ("Täst", ["a", "b"], True)


@pytest.mark.parametrize("body", ["{", "[1]", '"text"'])
def test_a_body_that_is_no_object_is_400(shop: Shop, body: str) -> None:
    """Whatever else it is."""
    headers = {"Content-Type": "application/json"}

    assert shop.ask("POST", "./issues", content=body, headers=headers).status_code == 400


def test_brackets_are_read_as_rack_reads_them() -> None:
    """Arrays, objects and arrays of objects."""
    found = nested_parameters(
        [
            ("a[]", "1"),
            ("a[]", "2"),
            ("not[labels]", "x"),
            ("actions[][action]", "create"),
            ("actions[][file_path]", "f"),
            ("actions[][action]", "delete"),
            ("plain", "y"),
        ]
    )

    assert found == {
        "a": ["1", "2"],
        "not": {"labels": "x"},
        "actions": [{"action": "create", "file_path": "f"}, {"action": "delete"}],
        "plain": "y",
    }


@given(st.lists(st.tuples(st.text("ab[]", max_size=6), st.text(max_size=3)), max_size=6))
def test_no_names_break_the_parser(pairs: list[tuple[str, str]]) -> None:
    """Clashing and half-open brackets are no reason for a 500."""
    nested_parameters(pairs)


@given(st.binary(max_size=80))
def test_no_multipart_breaks_the_parser(body: bytes) -> None:
    """Whatever the bytes are."""
    request_parameters("", "multipart/form-data; boundary=x", body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1))
def test_any_label_name_can_be_addressed(shop: Shop, name: str) -> None:
    """A path segment is decoded once, whatever is in it."""
    from urllib.parse import quote

    shop.project.labels.clear()
    label = shop.lab.label(shop.project, name)
    segment = quote(name, safe="").replace(".", "%2E")

    assert shop.get(f"./labels/{segment}")["id"] == label.id
