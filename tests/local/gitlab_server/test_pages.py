"""The pages for a person: what they show, escape and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workflows.local.gitlab_server.actions import editing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.local.gitlab_server.support import Shop

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _as_dave(shop: Shop) -> Iterator[None]:
    shop.lab.person = shop.user("dave")
    yield
    shop.lab.person = None


def paginate(shop: Shop, path: str = "", status: int = 200) -> str:
    answer = shop.http.get(f"{shop.lab.url}/{shop.project.path}{path}")
    assert answer.status_code == status
    return answer.text


def send(shop: Shop, path: str, origin: str | None = "", **fields: str) -> httpx.Response:
    """Send a form as the browser does from our page, or from another `origin`."""
    headers = {"Origin": shop.lab.url if origin == "" else origin} if origin is not None else {}
    url = f"{shop.lab.url}/{shop.project.path}{path}"
    return shop.http.post(url, data=fields, headers=headers)


def test_projects_issues_and_merge_requests_are_shown(shop: Shop) -> None:
    """The list, an issue with its labels and comments, a diff in colours."""
    shop.post("./issues", title="Basket is empty", labels="bug")
    shop.post("./issues/1/notes", body="It is")
    shop.merge_request(title="Fill the basket")

    assert shop.project.path in shop.http.get(f"{shop.lab.url}/").text
    assert "Basket is empty" in paginate(shop)
    issue = paginate(shop, "/-/issues/1")
    assert "It is" in issue
    assert ">bug<" in issue
    assert "Fill the basket" in paginate(shop, "/-/merge_requests")
    request = paginate(shop, "/-/merge_requests/1")
    assert '<span class="add">+feature</span>' in request
    assert "mergeable" in request


def test_nothing_of_a_stranger_is_markup(shop: Shop) -> None:
    """Titles, texts, labels, file names and content are escaped, and scripts are forbidden."""
    shop.post("./issues", title=NASTY, description=NASTY)
    shop.lab.label(shop.project, NASTY, color="red;} body{display:none")
    shop.put("./issues/1", add_labels=[NASTY])
    shop.post("./issues/1/notes", body=NASTY)
    shop.commit("feature", {"<script>.txt": NASTY})
    shop.merge_request(title=NASTY)

    for path in ("", "/-/issues/1", "/-/merge_requests", "/-/merge_requests/1"):
        text = paginate(shop, path)
        assert "<script" not in text
        assert "<img" not in text
        assert "display:none" not in text
    headers = shop.http.get(f"{shop.lab.url}/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_a_form_comments_labels_and_closes(shop: Shop) -> None:
    """In the name of the person who looks."""
    shop.post("./issues", title="Bug", labels="a")

    answers = [
        send(shop, "/-/issues/1", body="Hello"),
        send(shop, "/-/issues/1", action="labels", labels="b, c"),
        send(shop, "/-/issues/1", action="close", body=""),
    ]

    assert [one.status_code for one in answers] == [303, 303, 303]
    found = shop.get("./issues/1")
    assert (found["labels"], found["state"]) == (["b", "c"], "closed")
    note = shop.get("./issues/1/notes")[0]
    assert (note["body"], note["author"]["username"]) == ("Hello", "dave")


@pytest.mark.parametrize("origin", [None, "null", "http://evil.test", "http://127.0.0.1"])
def test_forms_of_other_sites_are_refused(shop: Shop, origin: str | None) -> None:
    """Nothing changes without our own origin."""
    shop.post("./issues", title="Bug")

    answer = send(shop, "/-/issues/1", origin, body="Hello")

    assert answer.status_code == 403
    assert shop.get("./issues/1/notes") == []


def test_a_foreign_name_for_this_machine_sees_nothing(shop: Shop) -> None:
    """A site whose name was made to lead here (DNS rebinding) is refused."""
    answer = shop.http.get(f"{shop.lab.url}/", headers={"Host": "evil.test"})

    assert answer.status_code == 403
    assert shop.project.path not in answer.text


def test_a_person_sees_what_their_role_allows(shop: Shop) -> None:
    """Nobody signed in: no private project; a guest: no code, nothing confidential."""
    editing.open_issue(shop.lab, shop.project, shop.user("mona"), "Secret", confidential=True)
    shop.post("./issues", title="Open")
    shop.merge_request()
    shop.lab.person = shop.user("gus")

    assert "Secret" not in paginate(shop)
    paginate(shop, "/-/issues/1", status=404)
    paginate(shop, "/-/merge_requests/1", status=404)
    assert send(shop, "/-/issues/2", action="close").status_code == 403
    shop.lab.person = None
    paginate(shop, status=404)
    assert shop.project.path not in shop.http.get(f"{shop.lab.url}/").text


@pytest.mark.parametrize("path", ["/-/issues/99", "/-/nothing", "/-/issues/x", "%2F..%2F"])
def test_no_such_page(shop: Shop, path: str) -> None:
    """404 as a page."""
    assert "no such page" in paginate(shop, path, status=404)
