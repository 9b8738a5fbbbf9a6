"""Who may do what on the embedded git server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.local.git_server.support import FETCH, PUSH, Shop, raw
from workflows.local.git_server.rules import NOT_FOUND, Service
from workflows.servers.request_log import LoggedRequest


@pytest.mark.parametrize(
    ("token", "service", "status", "text"),
    [
        pytest.param(None, FETCH, 401, "HTTP Basic: Access denied.", id="anonymous-fetch"),
        pytest.param("wrong", FETCH, 401, "HTTP Basic: Access denied.", id="wrong-token"),
        pytest.param("tok-0", FETCH, 404, NOT_FOUND, id="no-member-fetch"),
        pytest.param("tok-0", PUSH, 404, NOT_FOUND, id="no-member-push"),
        pytest.param("tok-10", FETCH, 403, "You are not allowed to download code", id="guest"),
        pytest.param("tok-20", FETCH, 200, "", id="reporter-fetch"),
        pytest.param("tok-20", PUSH, 403, "You are not allowed to push code", id="reporter-push"),
        pytest.param("tok-30", PUSH, 200, "", id="developer-push"),
    ],
)
def test_private_project(
    shop: Shop, token: str | None, service: Service, status: int, text: str
) -> None:
    """A private project answers each role with GitLab's status and text."""
    answer = shop.info_refs(service, token)

    assert answer.status_code == status
    assert text in answer.text
    assert answer.headers["content-type"].startswith(
        f"application/x-{service}" if status == 200 else "text/plain"
    )


@pytest.mark.parametrize(
    ("token", "service", "status"),
    [
        (None, FETCH, 200),
        (None, PUSH, 401),
        ("wrong", FETCH, 401),
        ("tok-0", FETCH, 200),
        ("tok-0", PUSH, 403),
        ("tok-10", FETCH, 200),
        ("tok-30", PUSH, 200),
    ],
)
def test_public_project(shop: Shop, token: str | None, service: Service, status: int) -> None:
    """Anybody fetches from a public project, but a wrong token is never taken for anonymous."""
    public = shop.other(f"{shop.path}-open", visibility="public")

    assert public.info_refs(service, token).status_code == status


def test_unauthorised_tells_nothing(shop: Shop) -> None:
    """Without credentials an absent project and a hidden one get the same 401."""
    absent = replace(shop, path="acme/absent")

    hidden, nothing = shop.info_refs(FETCH), absent.info_refs(FETCH)

    assert (hidden.status_code, hidden.text) == (nothing.status_code, nothing.text)
    assert hidden.headers["www-authenticate"] == 'Basic realm="GitLab"'
    assert absent.info_refs(PUSH, "tok-40").text == NOT_FOUND
    assert absent.info_refs(PUSH, "tok-40").status_code == 404


@pytest.mark.parametrize("credentials", ["Bearer tok-40", "Basic ?", "Basic OnRvay00MA==", "Basic"])
def test_malformed_credentials(shop: Shop, credentials: str) -> None:
    """Only basic authentication with some user name counts (the third one is `:tok-40`)."""
    target = f"/{shop.path}.git/info/refs?service={FETCH}"

    assert raw(shop, "GET", target, Authorization=credentials)[0] == 401


def test_any_user_name(shop: Shop) -> None:
    """The token says who it is; the user name may be anything but empty."""
    assert shop.info_refs(FETCH, "tok-20", user="whoever").status_code == 200
    target = f"/{shop.path}.git/info/refs?service={FETCH}"
    assert shop.server.requests == [LoggedRequest("GET", target, "rita", 200)]
