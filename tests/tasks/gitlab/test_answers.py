"""What an answer means: errors in every shape, answers that are none, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.tasks.gitlab.support import TOKEN, Answer, settings_for
from workflows.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    RemoteUnavailable,
    RequestConflict,
    RequestRefused,
    ResourceNotFound,
    TimeoutExceeded,
)
from workflows.tasks.gitlab import GitLab, session

if TYPE_CHECKING:
    from tests.tasks.gitlab.support import Hub, Scripted

HTML = {"content-type": "text/html"}
SHAPES = [
    (b'{"message": "404 Branch Not Found"}', "404 Branch Not Found"),
    (b'{"message": {"title": ["is blank", "is odd"]}}', "title: is blank, is odd"),
    (b'{"message": ["Another open merge request: !1"]}', "Another open merge request: !1"),
    (b'{"error": "title is missing"}', "title is missing"),
    (b'{"error": "invalid_token", "error_description": "Token is expired."}', "Token is expired."),
    (b"Retry later\n", "Retry later"),
    (b"<html><head><style>x{}</style></head><body><h1>502 Bad</h1></body></html>", "502 Bad"),
    (b"", ""),
    (b"\xff\xfe{", "\ufffd\ufffd{"),
]
KINDS = {
    400: RequestRefused,
    401: AuthenticationFailed,
    403: AccessDenied,
    404: ResourceNotFound,
    405: RequestRefused,
    409: RequestConflict,
    412: RequestRefused,
    422: RequestRefused,
    429: RemoteUnavailable,
    500: RemoteUnavailable,
    502: RemoteUnavailable,
    503: RemoteUnavailable,
    520: RemoteUnavailable,
}


@pytest.mark.parametrize(("body", "said"), SHAPES, ids=range(len(SHAPES)))
def test_an_error_is_quoted(client: GitLab, script: Scripted, body: bytes, said: str) -> None:
    """In every shape that GitLab and what stands before it have."""
    script.answers = [Answer(400, body)]

    with pytest.raises(RequestRefused) as caught:
        client.me()

    assert caught.value.why == said


@pytest.mark.parametrize("status", KINDS)
def test_an_error_is_told_by_its_status(client: GitLab, script: Scripted, status: int) -> None:
    """Whatever its words are."""
    script.answers = [Answer(status, b'{"message": "404 Not Found"}')]

    with pytest.raises(KINDS[status]) as caught:
        client.me()

    assert type(caught.value) is KINDS[status]
    assert f"{status} to GET /api/v4/user" in caught.value.what
    assert caught.value.fix or status not in {401, 403, 404, 409, 429}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html><body>Please log in</body></html>", HTML),
        (b"", {}),
        (b"[1]", {}),
        (b'"text"', {}),
        (b"{", {}),
        (b'{"id": "x"}', {}),
        (b'{"id": 1}', {}),
    ],
)
def test_what_is_not_the_api_is_refused(
    client: GitLab, script: Scripted, body: bytes, headers: dict[str, str]
) -> None:
    """A login page, half an answer: an error of ours that points to GITLAB_URL."""
    script.answers = [Answer(200, body, headers)]

    with pytest.raises(RequestRefused) as caught:
        client.me()

    assert "GITLAB_URL" in caught.value.fix


def test_long_words_are_cut_and_secrets_hidden(client: GitLab, script: Scripted) -> None:
    """A server that repeats the token does not bring it into the logs."""
    script.answers = [Answer(400, f"{TOKEN} {'x' * 5000} {TOKEN}".encode())]

    with pytest.raises(RequestRefused) as caught:
        client.me()

    assert len(caught.value.why) <= 500
    assert TOKEN not in str(caught.value)
    assert TOKEN[:12] not in str(caught.value)


def test_an_endless_answer_is_refused(
    client: GitLab, script: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the largest size."""
    monkeypatch.setattr(session, "MAX_BODY_BYTES", 1000)
    script.answers = [Answer(body=b"[" + b" " * 100_000 + b"]")]

    with pytest.raises(RequestRefused, match="more than 1000 bytes"):
        client.me()


def test_an_answer_that_drips_is_cut_off(url: str, script: Scripted) -> None:
    """The time allowed is for the whole answer, not for each byte."""
    script.answers = [Answer(body=b" " * 20, drip_s=0.05)]

    with (
        GitLab.connect(settings_for(url, retries=0, gitlab_timeout_s=0.3)) as client,
        pytest.raises(TimeoutExceeded, match=r"within 0\.3 s"),
    ):
        client.me()


# --- the embedded GitLab ---------------------------------------------------------------------


def test_a_wrong_token_is_an_authentication_failure(hub: Hub) -> None:
    """401 once."""
    client = hub.connect("nobody")

    with pytest.raises(AuthenticationFailed, match="401"):
        client.me()

    assert hub.asked("GET", "/user") == 1


def test_a_token_without_the_scope_is_denied(hub: Hub) -> None:
    """With GitLab's words and what to do."""
    hub.lab.create_token(hub.user("rita"), ["read_user"], value="glpat-scopeless-0123456789")

    with pytest.raises(AccessDenied) as caught:
        hub.connect("scopeless").project(hub.id)

    assert "higher privileges" in caught.value.why
    assert "scope api" in caught.value.fix


def test_a_rate_limit_is_waited_for(hub: Hub) -> None:
    """And named when it does not pass: GitLab asks for up to a minute, we wait 30 s at most."""
    client = hub.connect()
    client.me()
    hub.lab.rate_limit = 1

    with pytest.raises(RemoteUnavailable) as caught:
        client.me()

    assert caught.value.why == "Retry later"
    assert len(hub.waits_s) == 3
    assert all(0 < wait_s <= 30 for wait_s in hub.waits_s)


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": True}, {"latency_s": 1.0}])
def test_reads_survive_one_fault(hub: Hub, fault: dict[str, Any]) -> None:
    """An error, a cut connection, an answer that comes too late."""
    client = hub.connect(gitlab_timeout_s=0.5)
    hub.fail("GET", "/user$", **fault)

    assert client.me().username == "dave"
