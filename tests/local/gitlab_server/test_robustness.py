"""Odd names, odd bodies and many at once: an answer each, and a state that stays whole."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from workflows.local.gitlab_server.pages.markup import without_html_comments
from workflows.local.gitlab_server.server import GitLabServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.gitlab_server.support import Shop

ODD = ("", "..", "/", "../x", ":(top)", "-x", "a\nb", "a" * 5000, "\0", "@{-1}", "main^{tree}", "٣")
READS = (
    "repository/branches/{}",
    "repository/commits/{}",
    "repository/files/{}?ref=main",
    "repository/files/README.md?ref={}",
    "repository/tree?path={}",
    "repository/commits?path={}",
    "repository/commits?author={}",
    "repository/compare?from=main&to={}",
    "issues/{}",
    "issues?cursor={}&pagination=keyset",
    "labels/{}",
    "pipelines/{}",
)


@pytest.mark.parametrize("path", READS)
def test_no_name_is_too_odd_to_be_read(shop: Shop, path: str) -> None:
    """Found or not, but never a 500."""
    shop.post("./issues", title="Bug")

    found = {
        value[:10]: shop.ask("GET", f"./{path.replace('{}', quote(value, safe=''))}").status_code
        for value in ODD
    }

    assert {value: status for value, status in found.items() if status >= 500} == {}


def test_no_name_is_too_odd_to_be_written(shop: Shop) -> None:
    """As branch, path, ref and author of a commit; nothing escapes into git's arguments."""
    for value in ODD:
        for branch, path, start, author in (
            (value, "x", "main", "A"),
            ("n1", value, "main", "A"),
            ("n2", "x", value, "A"),
            ("n3", "x", "main", value),
        ):
            action = {"action": "create", "file_path": path, "content": "x"}
            body = {"branch": branch, "commit_message": "m", "actions": [action]}
            body |= {"start_branch": start, "author_name": author}
            answer = shop.ask("POST", "./repository/commits", json=body)
            assert answer.status_code < 500, (value[:20], answer.text)


@pytest.mark.parametrize("body", [b'{"title":"\\ud800"}', b'{"title":"a\\u0000b"}', b"[" * 100_000])
def test_what_is_no_text_is_refused_at_the_door(shop: Shop, body: bytes) -> None:
    """400, so that no list breaks later."""
    headers = {"Content-Type": "application/json"}

    assert shop.ask("POST", "./issues", content=body, headers=headers).status_code == 400
    assert shop.get("./issues") == []


def test_many_at_once_make_one_merge_request(shop: Shop) -> None:
    """One 201, the others 409: creating is atomic."""
    shop.commit("feature", {"f.txt": "f"})
    body = {"source_branch": "feature", "target_branch": "main", "title": "T"}

    def create(_: int) -> int:
        return shop.ask("POST", "./merge_requests", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(16)))

    assert sorted(statuses) == [201] + [409] * 15


def test_many_at_once_make_one_branch(shop: Shop) -> None:
    """So that a branch can be somebody's claim."""
    body = {"branch": "1-claim", "ref": "main"}

    def create(_: int) -> int:
        return shop.ask("POST", "./repository/branches", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(16)))

    assert sorted(statuses) == [201] + [400] * 15


def test_times_never_repeat(tmp_path: Path) -> None:
    """Even with a clock that stands still: what is newer has a later time."""
    from datetime import UTC, datetime

    lab = GitLabServer(tmp_path, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    times = [lab.now() for _ in range(5)]

    assert times == sorted(set(times))


def test_a_server_can_be_stopped_with_webhooks_left(tmp_path: Path) -> None:
    """Nobody waits for what is never sent."""
    lab = GitLabServer(tmp_path)
    project = lab.create_project()
    token = lab.create_token(lab.admin)
    with lab.serve() as url, httpx.Client(trust_env=False, base_url=url) as http:
        http.headers["PRIVATE-TOKEN"] = token
        api = f"/api/v4/projects/{project.id}"
        hook = {"url": "http://127.0.0.1:1/", "issues_events": True}
        assert http.post(f"{api}/hooks", json=hook).status_code == 201
        for number in range(20):
            http.post(f"{api}/issues", json={"title": f"Bug {number}"})

    asyncio.run(asyncio.wait_for(asyncio.to_thread(lab.wait_for_webhooks), 5))


@pytest.mark.parametrize("text", ["\n" * 500_000, "<!--" * 200_000, "- [ ] x\n" * 100_000])
def test_a_description_as_long_as_may_be_is_shown(shop: Shop, text: str) -> None:
    """In quadratic time it would take an hour."""
    issue = shop.post("./issues", title="Bug", description=text)

    assert issue["description"] == text
    assert without_html_comments(text) == text
