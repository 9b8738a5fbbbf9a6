"""How much of a webhook's body is read, by a function that anybody can call."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.functions.support import Served, post, serve_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functions.conftest import Cloud

LIMIT = 25 * 1024 * 1024  # bytes, as docs/operations.md says
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> Iterator[Served]:
    env = cloud.variables() | {
        "GITLAB_WEBHOOK_SECRET": "a-token",
        "GITLAB_BOT_ID": "2",
        "GITLAB_BOT_USERNAME": "bot",
    }
    with serve_function(cloud.staged, "gitlab_webhook", env, cloud.folder) as one:
        yield one


def connected(function: Served, head: str) -> socket.socket:
    """A connection on which a request has begun."""
    host, port = urlsplit(function.url).netloc.split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(f"{head}\r\nHost: {host}\r\n\r\n".encode())
    return connection


def answered(connection: socket.socket) -> int:
    """The status that comes, however little was sent."""
    with connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


@pytest.mark.parametrize("size_bytes", [LIMIT + 1, 10**12])
def test_a_body_that_is_said_to_be_too_long_is_refused_unread(
    function: Served, size_bytes: int
) -> None:
    """The answer comes although not one byte of the body was sent."""
    with connected(function, f"POST / HTTP/1.1\r\nContent-Length: {size_bytes}") as connection:
        assert answered(connection) == 413


def test_a_body_of_unknown_length_is_read_up_to_the_limit(function: Served) -> None:
    """The answer comes although the body has no end yet."""
    with connected(function, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked") as connection:
        for _ in range(LIMIT // 0x10000 + 1):
            connection.sendall(CHUNK)

        assert answered(connection) == 413


@pytest.mark.parametrize("length", [f"Content-Length: {LIMIT}", "Transfer-Encoding: chunked"])
def test_a_request_that_is_no_webhook_is_not_read(function: Served, length: str) -> None:
    with connected(function, f"PUT / HTTP/1.1\r\n{length}") as connection:
        assert answered(connection) == 405


def test_a_body_of_the_largest_size_is_looked_at(function: Served) -> None:
    """It is not authentic, which takes all of it to say."""
    assert post(function.url, content=b"x" * LIMIT).status_code == 401


def test_a_chunked_body_below_the_limit_is_looked_at(function: Served) -> None:
    answer = post(function.url, content=iter([b"{", b"}"]), headers={"X-Gitlab-Token": "a-token"})

    assert answer.status_code == 200


def test_a_refused_body_is_said_in_one_line(function: Served) -> None:
    with connected(function, f"POST / HTTP/1.1\r\nContent-Length: {LIMIT + 1}") as connection:
        answered(connection)

    assert "26214400 bytes" in function.lines("WARNING")[-1]["message"]
