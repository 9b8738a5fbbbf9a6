"""The lean HTTP client against servers that answer byte for byte what a test says."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from workflows.core.errors import AnswerLost, RequestRefused, TimeoutExceeded, UrlRefused
from workflows.dag.runner import address
from workflows.dag.runner.connection import MAX_BODY_BYTES
from workflows.dag.runner.messages import HttpRequest, HttpResponse
from workflows.dag.runner.pool import ConnectionPool


def ask(
    reply: bytes, *, times: int = 1, close: bool = False, timeout_s: float = 5
) -> list[HttpResponse]:
    """What requests one after the other get from a server that always says `reply`."""

    async def main() -> list[HttpResponse]:
        answering: list[asyncio.Task[None]] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answering.append(asyncio.current_task())  # type: ignore[arg-type] # it is one
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(reply)
                    await writer.drain()
                    if close:
                        break
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pool = ConnectionPool(
            address.parse_runner_address(f"127.0.0.1:{port}"), timeout_s=timeout_s
        )
        try:
            return [await pool.request(HttpRequest("GET", "/x")) for _ in range(times)]
        finally:
            pool.close()
            server.close()
            await asyncio.gather(*answering)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("reply", "close"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        (
            b"HTTP/1.1 200 A\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            False,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
    ],
    ids=["length", "chunked", "informational", "until the end", "HTTP/1.0"],
)
def test_every_way_to_frame_a_body(reply: bytes, close: bool) -> None:  # noqa: FBT001
    answers = ask(reply, times=2 if not close else 1, close=close)
    assert {(one.status, one.body) for one in answers} == {(200, b"hello")}


@pytest.mark.parametrize(
    ("reply", "close", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel", True, AnswerLost),
        (b"", True, AnswerLost),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", False, AnswerLost),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhel", False, TimeoutExceeded),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (MAX_BODY_BYTES + 9),
            False,
            RequestRefused,
        ),
    ],
    ids=["cut off", "nothing", "no HTTP", "too slow", "too much"],
)
def test_what_is_no_answer_is_an_error(
    reply: bytes,
    close: bool,  # noqa: FBT001
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        ask(reply, close=close, timeout_s=0.5)


def test_headers_are_found_whatever_their_case() -> None:
    (answer,) = ask(b"HTTP/1.1 503 X\r\nRETRY-After:  7 \r\nContent-Length: 0\r\n\r\n")
    assert answer.header("retry-after") == "7"
    assert answer.header("location") == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://runner.example.com/", "https://runner.example.com"),
        ("runner.example.com", "https://runner.example.com"),
        ("localhost:8080", "http://localhost:8080"),
        ("http://h:81/base/", "http://h:81/base"),
    ],
)
def test_addresses(text: str, shown: str) -> None:
    assert str(address.parse_runner_address(text)) == shown


@pytest.mark.parametrize(
    "text", ["", "ftp://h", "https://u:p@h", "https://h?x=1", "http://h:x", "[::1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UrlRefused):
        address.parse_runner_address(text)
