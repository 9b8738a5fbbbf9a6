"""Whom an https server must be known to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests import certificates
from workflows.core import http
from workflows.core.errors import NetworkError
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request


@dataclass
class Site:
    """A server on https, and the folder of the authorities."""

    url: str
    folder: Path


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("tls")
    tls = certificates.write(folder)
    with serve_app(Starlette(routes=[Route("/", hello)]), tls=tls) as url:
        yield Site(url.replace("127.0.0.1", "localhost"), folder)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


def test_a_server_that_nobody_knows_is_refused(site: Site) -> None:
    with pytest.raises(NetworkError, match="the connection to localhost failed"):
        http.request("GET", site.url, timeout_s=10)


def test_an_authority_of_the_operators_is_trusted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(site.folder / "ca.pem"))

    assert http.request("GET", site.url, timeout_s=10).body == b"hello"


def test_trust_is_not_kept_for_another_authority(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept from one request to the next belongs to its SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(site.folder / "ca.pem"))
    http.request("GET", site.url, timeout_s=10)
    monkeypatch.setenv("SSL_CERT_FILE", str(site.folder / "other.pem"))

    with pytest.raises(NetworkError):
        http.request("GET", site.url, timeout_s=10)


def test_this_machine_needs_an_authority_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 takes no advice from the environment, neither of proxies nor of authorities."""
    monkeypatch.setenv("SSL_CERT_FILE", str(site.folder / "ca.pem"))

    with pytest.raises(NetworkError):
        http.request("GET", site.url.replace("localhost", "127.0.0.1"), timeout_s=10)
