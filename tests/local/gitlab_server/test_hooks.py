"""Webhooks: what is told, signed how, and to whom; and pipelines."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.local.gitlab_server.support import git, write_commit
from workflows.local.gitlab_server.api import pipelines
from workflows.local.gitlab_server.state.outbox import signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.gitlab_server.support import Shop


SIGNING_TOKEN = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class Receiver:
    """What came in, and the status it is answered with."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A small HTTP server, of another make than the GitLab."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def listen(shop: Shop, receiver: Receiver, *events: str, **more: Any) -> Any:
    flags = dict.fromkeys((f"{event}_events" for event in events), True)
    return shop.post("./hooks", url=receiver.url, **({"push_events": False} | flags | more))


def test_a_delivery_has_all_headers_token_and_signature(shop: Shop, receiver: Receiver) -> None:
    """Both can be checked by who knows the secrets; neither is ever shown."""
    hook = listen(
        *(shop, receiver, "issues"),
        token="s3cret",
        signing_token=SIGNING_TOKEN,
        custom_headers=[{"key": "X-Mine", "value": "1"}],
    )
    shop.post("./issues", title="Bug", labels="bug")
    shop.lab.wait_for_webhooks()

    headers, body = receiver.got[0]
    assert headers["x-gitlab-event"] == "Issue Hook"
    assert headers["x-gitlab-instance"] == shop.lab.url
    assert headers["user-agent"].startswith("GitLab/")
    assert (headers["x-gitlab-token"], headers["x-mine"]) == ("s3cret", "1")
    assert {"x-gitlab-webhook-uuid", "x-gitlab-event-uuid"} <= set(headers)
    assert headers["webhook-id"] == headers["idempotency-key"]
    expected = signature(SIGNING_TOKEN, headers["webhook-id"], headers["webhook-timestamp"], body)
    assert headers["webhook-signature"] == expected
    assert (hook["token_present"], hook["signing_token_present"]) == (True, True)
    log = shop.ask("GET", f"./hooks/{hook['id']}/events")
    assert "s3cret" not in log.text + json.dumps(hook)
    assert log.json()[0]["request_headers"]["X-Gitlab-Token"] == "[REDACTED]"
    assert log.json()[0]["response_status"] == "200"


def test_what_happens_to_an_issue_is_told_in_order(shop: Shop, receiver: Receiver) -> None:
    """open, update with both label lists, close."""
    listen(shop, receiver, "issues")
    shop.post("./issues", title="Bug", labels="a")
    shop.put("./issues/1", add_labels="b")
    shop.put("./issues/1", state_event="close")
    shop.lab.wait_for_webhooks()

    bodies = receiver.bodies
    assert [b["object_attributes"]["action"] for b in bodies] == ["open", "update", "close"]
    labels = bodies[1]["changes"]["labels"]
    assert [x["title"] for x in labels["previous"]] == ["a"]
    assert [x["title"] for x in labels["current"]] == ["a", "b"]
    first = bodies[0]
    assert (first["object_kind"], first["event_type"]) == ("issue", "issue")
    assert first["user"]["email"] == "[REDACTED]"
    assert first["project"]["path_with_namespace"] == shop.project.path
    assert first["object_attributes"]["url"].endswith("/-/issues/1")


def test_comments_are_told_but_system_notes_are_not(shop: Shop, receiver: Receiver) -> None:
    """With the issue they are on; an edit is an update."""
    listen(shop, receiver, "note")
    shop.post("./issues", title="Bug")
    shop.put("./issues/1", title="Other")
    note = shop.post("./issues/1/notes", "dave", body="@bot do it")
    shop.ask("PUT", f"./issues/1/notes/{note['id']}", "dave", json={"body": "edited"})
    shop.lab.wait_for_webhooks()

    assert [b["object_attributes"]["action"] for b in receiver.bodies] == ["create", "update"]
    body = receiver.bodies[0]
    assert (body["user"]["username"], body["issue"]["iid"]) == ("dave", 1)
    assert body["object_attributes"]["url"].endswith(f"#note_{note['id']}")
    assert body["project_id"] == shop.project.id


def test_confidential_things_have_hooks_of_their_own(shop: Shop, receiver: Receiver) -> None:
    """Who listens to the others does not hear of them."""
    listen(shop, receiver, "issues", "note")
    shop.post("./issues", title="Secret", confidential=True)
    shop.post("./issues/1/notes", body="secret")
    shop.lab.wait_for_webhooks()
    assert receiver.got == []

    listen(shop, receiver, "confidential_issues", "confidential_note")
    shop.put("./issues/1", title="Still secret")
    shop.post("./issues/1/notes", body="secret")
    shop.lab.wait_for_webhooks()

    names = [headers["x-gitlab-event"] for headers, _ in receiver.got]
    assert names == ["Confidential Issue Hook", "Confidential Note Hook"]
    kinds = [body["event_type"] for body in receiver.bodies]
    assert kinds == ["confidential_issue", "confidential_note"]


def test_merge_requests_are_told_with_oldrev_only_for_pushes(
    shop: Shop, receiver: Receiver
) -> None:
    """open, update by a push, update by an edit, merge."""
    listen(shop, receiver, "merge_requests")
    made = shop.merge_request()
    shop.commit("feature", {"more.txt": "x"})
    shop.put("./merge_requests/1", title="Other")
    shop.put("./merge_requests/1/merge")
    shop.lab.wait_for_webhooks()

    attributes = [body["object_attributes"] for body in receiver.bodies]
    assert [one["action"] for one in attributes] == ["open", "update", "update", "merge"]
    assert [one.get("oldrev") for one in attributes] == [None, made["sha"], None, None]
    assert attributes[3]["state"] == "merged"
    assert attributes[0]["last_commit"]["id"] == made["sha"]


def test_a_push_is_told_with_its_commits(shop: Shop, receiver: Receiver) -> None:
    """By git and by the API; created and deleted branches have zeros; filters hold."""
    listen(shop, receiver, push_events=True, push_events_branch_filter="t*")
    clone = shop.clone("dave")
    write_commit(clone, "new.txt")
    git("push", "-q", "origin", "HEAD:topic", cwd=clone)
    git("push", "-q", "origin", "HEAD:other", cwd=clone)
    git("push", "-q", "origin", ":topic", cwd=clone)
    shop.lab.wait_for_webhooks()

    created, deleted = receiver.bodies
    assert (created["ref"], created["before"]) == ("refs/heads/topic", "0" * 40)
    assert created["commits"][0]["added"] == ["new.txt"]
    assert (created["user_username"], created["total_commits_count"]) == ("dave", 1)
    assert (deleted["after"], deleted["checkout_sha"]) == ("0" * 40, None)


def test_push_options_are_told_and_kept(shop: Shop, receiver: Receiver) -> None:
    listen(shop, receiver, push_events=True)
    clone = shop.clone("dave")

    git("push", "-q", "-o", "ci.skip", "-o", "ci.variable=A=b", "origin", "HEAD:topic", cwd=clone)
    shop.lab.wait_for_webhooks()

    assert receiver.bodies[0]["push_options"] == {"ci": {"skip": True, "variable": "A=b"}}
    assert shop.project.last_push_options == ("ci.skip", "ci.variable=A=b")


def test_many_branches_at_once_are_told_nobody(shop: Shop, receiver: Receiver) -> None:
    """More than three in one push."""
    listen(shop, receiver, push_events=True)
    clone = shop.clone("dave")

    git("push", "-q", "origin", *(f"HEAD:b{number}" for number in range(4)), cwd=clone)
    shop.lab.wait_for_webhooks()

    assert receiver.got == []


def test_a_duplicate_has_the_same_key(shop: Shop, receiver: Receiver) -> None:
    """And another UUID; so has one that is sent again."""
    hook = listen(shop, receiver, "issues")
    shop.lab.duplicate_webhooks = 1
    try:
        shop.post("./issues", title="Bug")
    finally:
        shop.lab.duplicate_webhooks = 0
    shop.lab.wait_for_webhooks()
    event = shop.get(f"./hooks/{hook['id']}/events")[0]
    shop.post(f"./hooks/{hook['id']}/events/{event['id']}/resend")
    shop.lab.wait_for_webhooks()

    headers = [one for one, _ in receiver.got]
    assert len({one["idempotency-key"] for one in headers}) == 1
    assert len({one["x-gitlab-webhook-uuid"] for one in headers}) == len(headers) == 3


def test_a_failing_hook_is_switched_off_where_that_is_on(shop: Shop, receiver: Receiver) -> None:
    """After the fourth failure in a row."""
    hook = listen(shop, receiver, "issues")
    shop.lab.auto_disable_hooks, receiver.status = True, 500
    try:
        for number in range(6):
            shop.post("./issues", title=f"Bug {number}")
            shop.lab.wait_for_webhooks()
        found = shop.get(f"./hooks/{hook['id']}")
    finally:
        shop.lab.auto_disable_hooks = False

    assert len(receiver.got) == 4
    assert found["alert_status"] == "temporarily_disabled"
    assert found["disabled_until"]


def test_a_receiver_that_is_gone_holds_nobody_up(shop: Shop, receiver: Receiver) -> None:
    """The next hook is served, and the log says what happened."""
    dead = shop.post("./hooks", url="http://127.0.0.1:1/", push_events=False, issues_events=True)
    listen(shop, receiver, "issues")
    shop.post("./issues", title="Bug")
    shop.lab.wait_for_webhooks()

    assert len(receiver.got) == 1
    log = shop.get(f"./hooks/{dead['id']}/events?status=server_failure")
    assert log[0]["response_status"] == "internal error"


@pytest.mark.parametrize("url", ["ftp://x.test/", "nonsense", "http:///x", "http://[x/"])
def test_a_bad_url_is_422(shop: Shop, url: str) -> None:
    """In GitLab's words."""
    answer = shop.ask("POST", "./hooks", json={"url": url})

    assert (answer.status_code, answer.json()) == (422, {"message": "Invalid url given"})


def test_hooks_are_for_maintainers(shop: Shop, receiver: Receiver) -> None:
    """Listed, changed with their URL, tested, deleted; local addresses only where allowed."""
    assert shop.ask("GET", "./hooks", "dave").status_code == 403
    assert shop.ask("POST", "./hooks", json={}).json() == {"error": "url is missing"}
    wrong = {"url": receiver.url, "signing_token": "whsec_short"}
    assert shop.ask("POST", "./hooks", json=wrong).status_code == 422
    shop.lab.allow_local_hooks = False
    assert shop.ask("POST", "./hooks", json={"url": receiver.url}).status_code == 422
    shop.lab.allow_local_hooks = True
    hook = listen(shop, receiver)
    path = f"./hooks/{hook['id']}"
    assert shop.ask("PUT", path, json={"note_events": True}).status_code == 400
    assert shop.put(path, url=receiver.url, note_events=True)["note_events"]
    assert shop.ask("POST", f"{path}/test/issues_events").status_code == 422
    shop.post(f"{path}/test/push_events")
    shop.lab.wait_for_webhooks()
    assert receiver.got[0][0]["x-gitlab-event"] == "Push Hook"
    assert shop.ask("DELETE", path).status_code == 204
    assert shop.ask("GET", path).status_code == 404


def test_a_failed_pipeline_has_jobs_with_logs(shop: Shop, receiver: Receiver) -> None:
    """Filled in by hand, read by a client; hooks hear of it."""
    listen(shop, receiver, "pipeline")
    sha = shop.project.repository.resolve("main") or ""
    log = b"\x1b[0Ksection_start:1:x\r\x1b[0KE   assert 1 == 2\n"
    with shop.lab.lock:
        one = pipelines.create_pipeline(shop.lab, shop.project, "main", sha, shop.user("dave"))
        pipelines.add_pipeline_job(shop.lab, one, "lint", "failed", allow_failure=True)
        job = pipelines.add_pipeline_job(shop.lab, one, "test", "failed", trace=log)
    shop.lab.wait_for_webhooks()

    client = shop.client("dave")
    found = client.pipelines.list(status="failed", get_all=True)[0]
    jobs = client.pipelines.get(found.id).jobs.list(scope=["failed"], get_all=True)

    assert [j.name for j in jobs] == ["test", "lint"]
    assert client.jobs.get(job.id).trace() == log
    assert client.jobs.get(job.id).failure_reason == "script_failure"
    assert receiver.bodies[-1]["object_attributes"]["status"] == "failed"
    assert receiver.bodies[-1]["builds"][1]["failure_reason"] == "script_failure"
    statuses = [body["object_attributes"]["status"] for body in receiver.bodies]
    assert statuses == ["pending", "success", "failed"]
    again = shop.post(f"./pipelines/{found.id}/retry", "dave")
    assert again["status"] == "pending"
    cancelled = shop.ask("POST", f"./pipelines/{found.id}/cancel", "dave")
    assert cancelled.json()["status"] == "canceled"
    assert shop.ask("POST", f"./pipelines/{found.id}/retry", "rita").status_code == 403


def test_a_status_makes_an_external_pipeline(shop: Shop) -> None:
    """The way to a failed pipeline without a runner; it has no job to read a log of."""
    shop.merge_request()
    sha = shop.get("./merge_requests/1")["sha"]

    made = shop.post(f"./statuses/{sha}", "dave", state="failed", name="ci", description="d")

    assert (made["status"], made["name"]) == ("failed", "ci")
    pipeline = shop.get("./merge_requests/1")["head_pipeline"]
    assert (pipeline["status"], pipeline["source"]) == ("failed", "external")
    assert shop.get(f"./pipelines/{pipeline['id']}/jobs") == []
    assert [p["id"] for p in shop.get("./merge_requests/1/pipelines")] == [pipeline["id"]]
    same = shop.ask("POST", f"./statuses/{sha}", json={"state": "failed", "name": "ci"})
    assert same.status_code == 400
    assert shop.ask("POST", f"./statuses/{sha}", json={"state": "odd"}).status_code == 400
    assert (
        shop.ask("POST", f"./statuses/{sha}", "rita", json={"state": "failed"}).status_code == 403
    )
    assert shop.ask("POST", f"./statuses/{'0' * 40}", json={"state": "failed"}).status_code == 404
    assert shop.get(f"./repository/commits/{sha}")["status"] == "failed"


def test_a_pipeline_needs_a_ci_file(shop: Shop) -> None:
    """400 under `base` without one."""
    answer = shop.ask("POST", "./pipeline", json={"ref": "main"})
    assert (answer.status_code, list(answer.json()["message"])) == (400, ["base"])
    shop.commit("main", {".gitlab-ci.yml": "test: {script: [make]}"})

    assert shop.post("./pipeline", ref="main")["status"] == "pending"
    assert shop.ask("GET", "./pipelines/98765").json() == {"message": "404 Not found"}
    assert shop.ask("GET", "./jobs/98765/trace").status_code == 404
