"""Who is let in, who sees what, and in which words the rest is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from workflows.local.gitlab_server.server import GitLabServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.gitlab_server.support import Shop


@pytest.mark.parametrize("way", ["private-token", "bearer", "query", "body"])
def test_a_token_is_taken_from_everywhere(shop: Shop, way: str) -> None:
    """Header, Bearer, query and body are the four places for a token."""
    token = shop.tokens["dave"]
    options: dict[str, Any] = {
        "private-token": {"headers": {"PRIVATE-TOKEN": token}},
        "bearer": {"headers": {"Authorization": f"Bearer {token}"}},
        "query": {"params": {"private_token": token}},
        "body": {"json": {"private_token": token}},
    }[way]

    answer = shop.ask("GET", "/user", None, **options)

    assert (answer.status_code, answer.json()["username"]) == (200, "dave")
    assert "is_admin" not in answer.json()


def test_a_wrong_token_is_401_even_where_nobody_needs_one(shop: Shop) -> None:
    """Wrong credentials are never taken for anonymous."""
    shop.project.visibility = "public"

    answer = shop.ask("GET", ".", None, headers={"PRIVATE-TOKEN": "wrong"})

    assert (answer.status_code, answer.json()) == (401, {"message": "401 Unauthorized"})
    assert shop.ask("GET", ".", None).status_code == 200


def test_expired_and_revoked_tokens_are_401(shop: Shop) -> None:
    """A token ends with its last day, or when it is revoked."""
    today = datetime.now(UTC).date()
    expired = shop.lab.create_token(shop.user("dave"), expires_at=today)
    lasting = shop.lab.create_token(shop.user("dave"), expires_at=today + timedelta(days=1))
    revoked = shop.lab.create_token(shop.user("dave"))
    shop.lab.tokens[revoked].revoked = True

    found = [
        shop.ask("GET", "/user", None, headers={"PRIVATE-TOKEN": token}).status_code
        for token in (expired, lasting, revoked)
    ]

    assert found == [401, 200, 401]


def test_a_blocked_person_is_403(shop: Shop) -> None:
    """Their token still is a token, but opens nothing."""
    user = shop.lab.create_user("blocked")
    token = shop.lab.create_token(user)
    user.state = "blocked"

    assert shop.ask("GET", "/user", None, headers={"PRIVATE-TOKEN": token}).status_code == 403


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("read_api", "GET", ".", 200),
        ("read_api", "POST", "./issues", 403),
        ("read_user", "GET", "/user", 200),
        ("read_user", "GET", ".", 403),
        ("write_repository", "GET", ".", 403),
    ],
)
def test_a_token_does_what_its_scope_says(
    shop: Shop, scope: str, method: str, path: str, status: int
) -> None:
    """More needs another token: 403 with `insufficient_scope`."""
    token = shop.lab.create_token(shop.user("dave"), [scope])

    answer = shop.ask(method, path, None, headers={"PRIVATE-TOKEN": token})

    assert answer.status_code == status
    assert status == 200 or answer.json()["error"] == "insufficient_scope"


@pytest.mark.parametrize("by", [None, "stranger"])
def test_a_project_that_is_hidden_looks_like_none(shop: Shop, by: str | None) -> None:
    """404 with the same words for hidden and absent, before any look at parameters."""
    hidden = shop.ask("GET", "./issues?state=nonsense", by)
    absent = shop.ask("GET", "/projects/987654", by)

    assert (hidden.status_code, hidden.json()) == (404, {"message": "404 Project Not Found"})
    assert absent.json() == hidden.json()


def test_internal_projects_are_for_everybody_with_an_account(shop: Shop) -> None:
    """Internal lies between private and public."""
    shop.project.visibility = "internal"

    assert shop.ask("GET", ".", "stranger").status_code == 200
    assert shop.ask("GET", ".", None).status_code == 404


def test_anonymous_writes_are_401(shop: Shop) -> None:
    """On a project that they can see, too."""
    shop.project.visibility = "public"

    assert shop.ask("POST", "./issues", None, json={"title": "x"}).status_code == 401


def test_parameters_are_checked_before_the_role(shop: Shop) -> None:
    """400 comes before 403."""
    given = {"branch": "b", "ref": "main"}
    wrong = shop.ask("POST", "./repository/branches", "rita", json={"branch": "b"})
    denied = shop.ask("POST", "./repository/branches", "rita", json=given)

    assert (wrong.status_code, wrong.json()) == (400, {"error": "ref is missing"})
    assert (denied.status_code, denied.json()) == (403, {"message": "403 Forbidden"})


def test_guests_see_issues_but_no_code(shop: Shop) -> None:
    """On a private project."""
    assert shop.ask("GET", "./issues", "gus").status_code == 200
    assert shop.ask("GET", "./repository/branches", "gus").status_code == 403


def test_a_path_is_one_segment_with_encoded_slashes(shop: Shop) -> None:
    """`acme%2Fshop` is a project; `acme/shop` is another route."""
    encoded = shop.ask("GET", f"/projects/{quote(shop.project.path, safe='')}")
    plain = shop.ask("GET", f"/projects/{shop.project.path}")

    assert encoded.json()["id"] == shop.project.id
    assert (plain.status_code, plain.json()) == (404, {"error": "404 Not Found"})


def test_another_method_is_405(shop: Shop) -> None:
    """`Allow` says which there are."""
    answer = shop.ask("DELETE", "/version")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_a_moved_project_is_redirected_to_its_number(shop: Shop) -> None:
    """301 at the old path, for those who may see it."""
    old = shop.project.path
    shop.lab.move_project(shop.project, f"{old}-moved")

    answer = shop.ask("GET", f"/projects/{quote(old, safe='')}/issues?state=all")

    assert answer.status_code == 301
    expected = f"{shop.lab.url}/api/v4{shop.api}/issues?state=all"
    assert answer.headers["location"] == expected
    assert shop.ask("GET", f"/projects/{quote(old, safe='')}", "stranger").status_code == 404


def test_the_highest_role_counts_and_groups_pass_theirs_on(shop: Shop) -> None:
    """members/all knows inherited roles, members/ does not."""
    lab, project = shop.lab, shop.project
    other = lab.create_user(f"inherits-{project.id}")
    token = lab.create_token(other)
    lab.add_member(lab.namespaces["acme"], other, 20)
    lab.add_member(lab.create_group("acme/deep"), other, 30)
    deep = lab.create_project(f"acme/deep/down-{project.id}")

    found = shop.get(
        f"/projects/{deep.id}/members/all/{other.id}", "owner", headers={"PRIVATE-TOKEN": token}
    )
    direct = shop.ask(
        "GET", f"/projects/{deep.id}/members/{other.id}", None, headers={"PRIVATE-TOKEN": token}
    )

    assert (found["access_level"], found["state"]) == (30, "active")
    assert direct.status_code == 404
    assert lab.level(project, other) == 20


def test_an_expired_member_is_none(shop: Shop) -> None:
    """Roles end on their day."""
    today = datetime.now(UTC).date()
    shop.lab.add_member(shop.project, shop.user("dave"), 30, expires_at=today)

    assert shop.ask("GET", f"./members/all/{shop.user('dave').id}").status_code == 404
    assert shop.ask("GET", ".", "dave").status_code == 404


def test_a_project_token_is_a_bot(shop: Shop) -> None:
    """It is a member of its own project only, and says so."""
    token = shop.lab.create_project_token(shop.project, 30)

    me = shop.ask("GET", "/user", None, headers={"PRIVATE-TOKEN": token}).json()

    assert me["bot"]
    assert me["username"].startswith(f"project_{shop.project.id}_bot_")
    assert shop.get(f"./members/all/{me['id']}")["access_level"] == 30


def test_users_are_found_by_name(shop: Shop) -> None:
    """An unknown name is an empty list, not 404."""
    assert [u["username"] for u in shop.get("/users?username=DAVE")] == ["dave"]
    assert shop.get("/users?username=nobody") == []
    assert shop.ask("GET", "/users/98765").json() == {"message": "404 User Not Found"}


def test_version_and_metadata_need_a_token(shop: Shop) -> None:
    """And tell the same version."""
    assert shop.ask("GET", "/version", None).status_code == 401
    assert shop.get("/version")["version"] == shop.get("/metadata")["version"]


def test_every_answer_tells_the_rate_limit(shop: Shop) -> None:
    """Errors too."""
    for path in (".", "/nothing"):
        headers = shop.ask("GET", path).headers
        assert int(headers["RateLimit-Remaining"]) < int(headers["RateLimit-Limit"])
        assert headers["RateLimit-Reset"].isdigit()


def test_over_the_limit_is_429_in_plain_text(tmp_path: Path) -> None:
    """With the seconds to wait; others are not held up."""
    lab = GitLabServer(tmp_path)
    token = lab.create_token(lab.create_user("busy"))
    lab.rate_limit = 3
    with lab.serve() as url, httpx.Client(trust_env=False) as http:
        headers = {"PRIVATE-TOKEN": token}
        answers = [http.get(f"{url}/api/v4/user", headers=headers) for _ in range(7)]

    last = answers[-1]  # a window may begin in between, two may not
    assert (last.status_code, last.text) == (429, "Retry later\n")
    assert 0 < int(last.headers["Retry-After"]) <= 60
    assert "RateLimit-ResetTime" in last.headers


def test_a_whole_gitlab_may_lie_below_a_path(tmp_path: Path) -> None:
    """`https://host/gitlab`: API and git, and every URL in the answers."""
    lab = GitLabServer(tmp_path, sub_path="/gitlab")
    project = lab.create_project("acme/shop", visibility="public")
    with lab.serve() as url, httpx.Client(trust_env=False) as http:
        found = http.get(f"{url}/api/v4/projects/{project.id}").json()
        refs = http.get(f"{found['http_url_to_repo']}/info/refs?service=git-upload-pack")
        outside = http.get(f"{url.removesuffix('/gitlab')}/api/v4/projects/1")

    assert found["web_url"] == f"{url}/acme/shop"
    assert (refs.status_code, outside.status_code) == (200, 404)
