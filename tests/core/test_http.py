"""HTTP requests, against a real server that behaves well and badly."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from workflows.core import http
from workflows.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    NetworkError,
    RemoteUnavailable,
    RequestConflict,
    RequestRefused,
    TimeoutExceeded,
    TransientError,
    WorkflowsError,
)
from workflows.core.redaction import remember
from workflows.servers.faults import NextFaults, NextFaultsInjector
from workflows.servers.request_log import LoggedRequest, RequestLog
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

SECRET = "tok-http-2b6e"
METHODS = ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"]


@dataclass
class Site:
    """A server of behaviours: `base_url`, what was asked of it, and what shall go wrong."""

    base_url: str = ""
    faults: NextFaults = field(default_factory=NextFaults)
    seen: list[LoggedRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def asked(self) -> list[str]:
        return [request.method for request in self.seen]

    async def status(self, request: Request) -> Response:
        """`/status/503?after=2`: that status, with a Retry-After where one is wanted."""
        after = request.query_params.get("after")
        headers = {} if after is None else {"Retry-After": after}
        return PlainTextResponse("said why", request.path_params["code"], headers)

    async def echo(self, request: Request) -> Response:
        """What was sent: method, headers, body."""
        self.headers.append(dict(request.headers))
        body = (await request.body()).decode()
        return JSONResponse({"method": request.method, "body": body}, headers={"X-Mixed": "Yes"})

    async def redirect(self, request: Request) -> Response:
        """`/redirect?to=URL`."""
        return RedirectResponse(request.query_params["to"])

    async def page(self, _: Request) -> Response:
        """A login page that repeats a token."""
        return PlainTextResponse(f"<html>{'.' * 190}{SECRET}</html>")

    async def refusal(self, _: Request) -> Response:
        """A long refusal with a token across the place where it is cut."""
        return PlainTextResponse("." * 495 + SECRET, 422)

    async def drip(self, _: Request) -> Response:
        """An answer that never stops coming, drop by drop."""

        async def drops() -> AsyncIterator[bytes]:
            for _ in range(300):
                yield b"."
                await asyncio.sleep(0.1)

        return StreamingResponse(drops())

    async def slow(self, _: Request) -> Response:
        """No answer for a long time."""
        await asyncio.sleep(30)
        return PlainTextResponse("late")


@contextmanager
def running() -> Iterator[Site]:
    """A site on a port of its own for as long as the block lasts."""
    site = Site()
    app = Starlette(
        routes=[
            Route("/status/{code:int}", site.status, methods=METHODS),
            Route("/echo", site.echo, methods=METHODS),
            Route("/redirect", site.redirect, methods=METHODS),
            Route("/page", site.page),
            Route("/refusal", site.refusal),
            Route("/slow", site.slow),
            Route("/drip", site.drip),
        ]
    )
    with serve_app(RequestLog(NextFaultsInjector(app, site.faults), site.seen)) as site.base_url:
        yield site


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as one:
        yield one


def test_an_answer_has_status_headers_and_body(site: Site) -> None:
    """A good answer comes back with lower-case header names and its body as JSON."""
    answer = http.request("POST", f"{site.base_url}/echo", timeout_s=10, json_body={"a": "ü"})

    assert answer.status == 200
    assert answer.headers["x-mixed"] == "Yes"
    assert answer.json() == {"method": "POST", "body": '{"a":"ü"}'}


def test_headers_are_sent(site: Site) -> None:
    """The caller's headers reach the server."""
    http.request("GET", f"{site.base_url}/echo", timeout_s=10, headers={"PRIVATE-TOKEN": SECRET})

    assert site.headers[0]["private-token"] == SECRET


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_a_status_of_success_is_an_answer(site: Site, code: int) -> None:
    """Every 2xx is returned."""
    assert http.request("GET", f"{site.base_url}/status/{code}", timeout_s=10).status == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (300, RequestRefused),
        (304, RequestRefused),
        (400, RequestRefused),
        (401, AuthenticationFailed),
        (403, AccessDenied),
        (404, RequestRefused),
        (405, RequestRefused),
        (408, RemoteUnavailable),
        (409, RequestConflict),
        (418, RequestRefused),
        (422, RequestRefused),
        (429, RemoteUnavailable),
        (500, RemoteUnavailable),
        (501, RemoteUnavailable),
        (502, RemoteUnavailable),
        (503, RemoteUnavailable),
        (504, RemoteUnavailable),
        (599, RemoteUnavailable),
    ],
)
def test_each_status_has_its_error(site: Site, code: int, kind: type[WorkflowsError]) -> None:
    """A status that is no success raises its own class, with what the server said."""
    with pytest.raises(kind, match=rf"^GET http://.*/status/{code} .* with {code}") as caught:
        http.request("GET", f"{site.base_url}/status/{code}", timeout_s=10)

    assert type(caught.value) is kind
    assert caught.value.why == ("" if code == 304 else "said why")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "get"])
def test_a_repeatable_request_is_repeated(site: Site, method: str) -> None:
    """GET, HEAD, PUT and DELETE are sent again after an error that may pass."""
    url = f"{site.base_url}/status/503?after=0"

    with pytest.raises(RemoteUnavailable):
        http.request(method, url, timeout_s=10, retries=2)

    assert site.asked() == [method.upper()] * 3


def test_a_retry_may_succeed(site: Site) -> None:
    """After a cut connection and a gateway error the third answer is the one that counts."""
    site.faults.drop_next = 1
    site.faults.fail_next = [502]

    began = time.monotonic()
    answer = http.request("GET", f"{site.base_url}/echo", timeout_s=10, retries=2)

    assert answer.status == 200
    assert len(site.seen) == 3
    assert time.monotonic() - began >= 3  # 1 s, then 2 s, as nobody said how long


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_that_may_not_be_repeated_is_sent_once(site: Site, method: str) -> None:
    """POST and PATCH are never sent twice, whatever was asked for and whatever goes wrong."""
    with pytest.raises(RemoteUnavailable):
        http.request(method, f"{site.base_url}/status/503?after=0", timeout_s=10, retries=5)
    site.faults.drop_next = 1
    with pytest.raises(NetworkError):
        http.request(method, f"{site.base_url}/echo", timeout_s=10, retries=5)

    assert site.asked() == [method] * 2


@pytest.mark.parametrize("code", [301, 400, 401, 403, 404, 422])
def test_a_final_answer_is_not_asked_for_again(site: Site, code: int) -> None:
    """An error that will not pass ends the retries."""
    with pytest.raises(WorkflowsError):
        http.request("GET", f"{site.base_url}/status/{code}?after=0", timeout_s=10, retries=5)

    assert site.asked() == ["GET"]


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("0.5", 0.5),
        ("3600", 30.0),
        ("1e400", 30.0),
        ("-5", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Sun, 21 Oct 2085 07:28:00 GMT", 30.0),
        (None, None),
    ],
)
def test_retry_after_is_read_with_care(
    site: Site, header: str | None, wait_s: float | None
) -> None:
    """The error says how long to wait: at most 30 s, and None where the header says nothing."""
    query = "" if header is None else f"?after={header}"

    with pytest.raises(RemoteUnavailable) as caught:
        http.request("GET", f"{site.base_url}/status/429{query}", timeout_s=10)

    assert caught.value.wait_s == wait_s


def test_retry_after_is_waited_for(site: Site) -> None:
    """The next attempt starts after the time that the server named, not the usual second."""
    began = time.monotonic()
    with pytest.raises(RemoteUnavailable):
        http.request("GET", f"{site.base_url}/status/503?after=0.3", timeout_s=10, retries=1)

    assert 0.3 <= time.monotonic() - began < 0.95
    assert len(site.seen) == 2


def test_a_redirect_is_refused_and_the_token_stays_here(site: Site) -> None:
    """A redirect to another host is an error, and that host is never asked."""
    with running() as other:
        url = f"{site.base_url}/redirect?to={other.base_url}/echo"
        with pytest.raises(RequestRefused, match="307"):
            http.request("GET", url, timeout_s=10, headers={"PRIVATE-TOKEN": SECRET})

        assert other.seen == []


def test_the_password_of_a_redirects_target_is_neither_used_nor_shown(site: Site) -> None:
    """The target is never asked, also where it is the same server."""
    target = site.base_url.replace("://", "://eve:s3cret-w0rd@") + "/echo"

    with pytest.raises(RequestRefused) as caught:
        http.request("GET", f"{site.base_url}/redirect?to={target}", timeout_s=10)

    assert len(site.seen) == 1
    assert "s3cret-w0rd" not in str(caught.value)


def test_a_redirect_may_be_looked_at(site: Site) -> None:
    """With `accept_redirect` the 3xx answer itself comes back, unfollowed."""
    url = f"{site.base_url}/redirect?to=/echo"

    answer = http.request("GET", url, timeout_s=10, accept_redirect=True)

    assert (answer.status, answer.headers["location"]) == (307, "/echo")
    assert len(site.seen) == 1


def test_no_answer_in_time(site: Site) -> None:
    """A server that does not answer within `timeout_s` is a TimeoutExceeded that names the host."""
    began = time.monotonic()
    with pytest.raises(TimeoutExceeded, match=r"^127.0.0.1 did not answer within 0.2 s"):
        http.request("GET", f"{site.base_url}/slow", timeout_s=0.2)

    assert time.monotonic() - began < 5


def test_an_answer_drop_by_drop_is_cut_off(site: Site) -> None:
    """`timeout_s` bounds the whole attempt, not each piece of the answer."""
    began = time.monotonic()
    with pytest.raises(TimeoutExceeded):
        http.request("GET", f"{site.base_url}/drip", timeout_s=0.5)

    assert time.monotonic() - began < 5


def test_a_header_http_cannot_carry_is_refused(site: Site) -> None:
    """A token with letters beyond ASCII is refused with a reason, not a traceback."""
    with pytest.raises(RequestRefused, match="header"):
        http.request("GET", f"{site.base_url}/echo", timeout_s=5, headers={"PRIVATE-TOKEN": "tök"})


def test_nobody_listens() -> None:
    """A refused connection is a NetworkError with a way out."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken, but nobody listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"

        with pytest.raises(NetworkError, match=r"connection to 127\.0\.0\.1 failed") as caught:
            http.request("GET", url, timeout_s=5)

    assert "network" in caught.value.fix


def test_a_host_that_does_not_exist() -> None:
    """A name that nobody knows is a NetworkError that names it."""
    with pytest.raises(NetworkError, match=r"no-such-host\.invalid"):
        http.request("GET", "http://no-such-host.invalid/", timeout_s=5)


def test_a_connection_that_breaks_off(site: Site) -> None:
    """Half an answer is a NetworkError, not a short answer."""
    site.faults.drop_next = 1

    with pytest.raises(NetworkError, match=r"connection to 127\.0\.0\.1 failed"):
        http.request("GET", f"{site.base_url}/echo", timeout_s=10)


@pytest.mark.parametrize("url", ["http://[::1", "http://host:port/", "http://host:99999999/"])
def test_an_address_that_is_none(url: str) -> None:
    """An address that cannot be understood is an error of ours, not a crash."""
    with pytest.raises(NetworkError):
        http.request("GET", url, timeout_s=5)


def test_an_answer_that_is_not_json(site: Site) -> None:
    """A login page instead of JSON is refused, shown in part and without secrets."""
    remember([SECRET])
    answer = http.request("GET", f"{site.base_url}/page", timeout_s=10)

    with pytest.raises(RequestRefused, match="not JSON") as caught:
        answer.json()

    assert caught.value.why.startswith("<html>...")
    assert "tok-" not in caught.value.why


def test_a_secret_is_not_cut_into_one_that_is_shown(site: Site) -> None:
    """A token that lies across the end of what is quoted is hidden as well."""
    remember([SECRET])

    with pytest.raises(RequestRefused) as caught:
        http.request("GET", f"{site.base_url}/refusal", timeout_s=10)

    assert caught.value.why.startswith("...")
    assert "tok-" not in caught.value.why


@pytest.mark.parametrize("path", ["/status/404?private_token=", "/status/503?page=2&token="])
def test_tokens_in_a_query_are_redacted(site: Site, path: str) -> None:
    """An error shows the URL without the value of a token."""
    with pytest.raises(WorkflowsError, match=r"=\[redacted\]") as caught:
        http.request("GET", f"{site.base_url}{path}not-remembered-xyz", timeout_s=10)

    assert "not-remembered-xyz" not in str(caught.value)


def test_credentials_in_a_url_are_redacted(site: Site) -> None:
    """An error shows a URL without its user and password."""
    url = site.base_url.replace("://", "://user:not-remembered-xyz@")

    with pytest.raises(RequestRefused, match="404") as caught:
        http.request("GET", f"{url}/nowhere", timeout_s=10)

    assert "not-remembered-xyz" not in str(caught.value)


def test_what_may_pass_is_said_by_class(site: Site) -> None:
    """Every error that may pass is a TransientError, so that a step is tried again."""
    site.faults.fail_next = [500]
    with pytest.raises(TransientError) as caught:
        http.request("GET", f"{site.base_url}/echo", timeout_s=10)

    assert caught.value.retryable
