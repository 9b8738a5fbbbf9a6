"""Faults on purpose, and clients that hold the server up."""

from __future__ import annotations

import base64
import os
import socket
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.local.git_server.support import ACCOUNTS, FETCH, V2, Shop, git
from workflows.local.git_server.http import GitServer
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_fail_next(shop: Shop) -> None:
    """The next requests fail the way a gateway fails them, then all is well again."""
    shop.server.faults.fail_next = [429, 503]

    limited = shop.info_refs(FETCH, "tok-20")
    failed = git("ls-remote", shop.remote(), check=False)

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert limited.text == "Retry later\n"
    assert "The requested URL returned error: 503" in failed.stderr
    assert shop.info_refs(FETCH, "tok-20").status_code == 200
    assert [seen.status for seen in shop.server.requests] == [429, 503, 200]


def test_drop_next(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A connection cut in the middle of an answer makes git fail, and logs nothing."""
    login = base64.b64encode(b"x:tok-40").decode()
    shop.server.faults.drop_next = 1

    failed = git(
        "-c", f"http.extraHeader=Authorization: Basic {login}",
        "clone", f"{shop.web_url}.git", str(shop.folder / "c"), check=False,
    )  # fmt: skip

    assert failed.exit_code == 128
    assert shop.server.requests[-1].status == 200
    assert shop.clone().is_dir()
    assert not caplog.records


def test_latency(shop: Shop) -> None:
    """Every answer is held back as long as asked."""
    shop.server.faults.latency_s = 0.2
    before = time.monotonic()
    shop.info_refs(FETCH, "tok-20")
    shop.server.faults.latency_s = 0.0

    assert time.monotonic() - before >= 0.2


def test_idle_connection_does_not_hold_the_server(shop: Shop) -> None:
    """The server stops at once although a client keeps its connection open."""
    with httpx.Client(trust_env=False) as idle:
        with serve_app(shop.server.app, grace_s=30) as base:
            assert idle.get(base).status_code == 404
            before = time.monotonic()

        assert time.monotonic() - before < 10


@contextmanager
def connected(base: str, body: bytes, expected: bytes, *headers: str) -> Iterator[None]:
    """A client that fetches with `body`, and reads no more than the `expected` first bytes."""
    host, port = urlsplit(base).netloc.split(":")
    lines = ["POST /acme/shop.git/git-upload-pack HTTP/1.1", "Host: x", *headers]
    lines += [f"{name}: {value}" for name, value in V2.items()]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        assert connection.recv(len(expected)) == expected
        yield


@pytest.mark.parametrize("hung_up", [True, False])
def test_unread_answer_does_not_hold_the_server(tmp_path: Path, *, hung_up: bool) -> None:
    """An answer nobody reads ends with its client, and with the server at the latest."""
    server = GitServer(tmp_path, ACCOUNTS)
    files = {"big": os.urandom(4_000_000).hex()}
    repository = server.create_repository(files=files, visibility="public")
    wanted = git(f"--git-dir={repository}", "rev-parse", "HEAD").stdout.strip()
    body = f"0011command=fetch0001000fno-progress0032want {wanted}\n0009done\n0000".encode()
    length = f"Content-Length: {len(body)}"
    with ExitStack() as client:
        with serve_app(server.app, grace_s=30 if hung_up else 1) as base:
            client.enter_context(connected(base, body, b"HTTP/1.1 200 OK", length))
            if hung_up:
                client.close()
            before = time.monotonic()

        assert time.monotonic() - before < 10


def test_broken_off_request_does_not_hold_the_server(tmp_path: Path) -> None:
    """A git that waits for the rest of a request ends when the client hangs up."""
    server = GitServer(tmp_path, ACCOUNTS)
    server.create_repository(visibility="public")
    # the server says 100 once it wants the body, and the body never comes
    headers = ("Content-Length: 1000", "Expect: 100-continue")
    with serve_app(server.app, grace_s=30) as base:
        with connected(base, b"", b"HTTP/1.1 100", *headers):
            pass
        before = time.monotonic()

    assert time.monotonic() - before < 10
