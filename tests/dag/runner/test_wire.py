"""The lean HTTP client on real sockets: TLS, proxies, kept connections that end, odd answers."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dag.runner.wire import CHUNKED, OK, Authority, Seen, answering, proxy
from workflows.core.errors import NetworkError, RequestRefused, SettingsInvalid, WorkflowsError
from workflows.dag.runner import address
from workflows.dag.runner.messages import HttpRequest
from workflows.dag.runner.pool import ConnectionPool
from workflows.dag.runner.tunnel import proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAME = "runner.example.com"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process trusts, as SSL_CERT_FILE says."""
    made = Authority.make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def through(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Set a proxy and nothing else about proxies."""
    for one in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(one, raising=False)
        monkeypatch.delenv(one.upper(), raising=False)
    monkeypatch.setenv(name, value)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[ConnectionPool]:
    pool = ConnectionPool(address.parse_runner_address(url), timeout_s=10)
    try:
        yield pool
    finally:
        pool.close()
        await asyncio.sleep(0)


def test_a_request_that_is_cancelled_before_it_has_a_connection_is_not_sent() -> None:
    """Else a run that was stopped would still have a job made."""

    async def main() -> list[str]:
        async with (
            answering(lambda *_: [OK]) as seen,
            client(f"http://127.0.0.1:{seen.port}") as pool,
        ):
            pool.request(HttpRequest("POST", "/job")).cancel()
            await pool.request(HttpRequest("GET", "/x"))
            return seen.heads

    (head,) = asyncio.run(main())
    assert head.startswith("GET /x ")


# --- TLS -------------------------------------------------------------------------------------


def test_an_authority_of_our_own_is_trusted_where_it_is_named(authority: Authority) -> None:
    async def main() -> bytes:
        tls = authority.server("127.0.0.1")
        async with (
            answering(lambda *_: [OK], tls=tls) as seen,
            client(f"https://127.0.0.1:{seen.port}") as pool,
        ):
            return (await pool.request(HttpRequest("GET", "/x"))).body

    assert asyncio.run(main()) == b"hello"


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_certificate_that_is_not_right_ends_it_before_anything_is_sent(
    authority: Authority, wrong: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority.make(tmp_path / "other")
    issuer, name = (other, "127.0.0.1") if wrong == "authority" else (authority, NAME)

    async def main() -> Seen:
        async with (
            answering(lambda *_: [OK], tls=issuer.server(name)) as seen,
            client(f"https://127.0.0.1:{seen.port}") as pool,
        ):
            with pytest.raises(NetworkError, match=r"(?i)certificate"):
                await pool.request(HttpRequest("GET", "/x"), "Authorization: Bearer s3cret\r\n")
            return seen

    assert asyncio.run(main()).heads == []


# --- proxies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", ["", "us%40er:hush%3A51f0c@"])
def test_https_goes_through_a_tunnel(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, credentials: str
) -> None:
    async def main() -> tuple[Seen, Seen, bytes]:
        async with (
            answering(lambda *_: [OK], tls=authority.server(NAME)) as runner,
            proxy(runner.port) as between,
        ):
            through(monkeypatch, "https_proxy", f"http://{credentials}127.0.0.1:{between.port}")
            async with client(f"https://{NAME}") as pool:
                answers = [await pool.request(HttpRequest("GET", "/x")) for _ in range(2)]
            return runner, between, answers[1].body

    runner, between, body = asyncio.run(main())
    (asked,) = between.heads
    expected = base64.b64encode(b"us@er:hush:51f0c").decode()
    assert body == b"hello"
    assert asked.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n")
    assert (f"Proxy-Authorization: Basic {expected}\r\n" in asked) == bool(credentials)
    assert len(runner.heads) == 2
    assert "proxy" not in "".join(runner.heads).lower()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy says 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy says 502"),
        (b"", "the proxy closed the connection"),
        (b"nonsense\r\n\r\n", "the proxy says"),
        (b"x" * 20_000, "the proxy says"),
    ],
    ids=["407", "502", "nothing", "nonsense", "endless"],
)
def test_a_proxy_that_makes_no_tunnel_is_a_network_error(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    async def main() -> None:
        async with proxy(9, answer) as between:
            through(monkeypatch, "HTTPS_PROXY", f"127.0.0.1:{between.port}")
            async with client(f"https://{NAME}") as pool:
                with pytest.raises(NetworkError, match=words):
                    await pool.request(HttpRequest("GET", "/x"))

    asyncio.run(main())


def test_plain_http_is_asked_of_the_proxy_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Seen:
        async with answering(lambda *_: [OK]) as between:
            through(monkeypatch, "http_proxy", f"http://user:hush-77d1@127.0.0.1:{between.port}")
            async with client(f"http://{NAME}:81/base") as pool:
                await pool.request(HttpRequest("GET", "/x?y=z"))
            return between

    (head,) = asyncio.run(main()).heads
    assert head.startswith(f"GET http://{NAME}:81/base/x?y=z HTTP/1.1\r\nHost: {NAME}:81\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'user:hush-77d1').decode()}\r\n" in head


@pytest.mark.parametrize(
    ("no_proxy", "excepted"),
    [
        (NAME, True),
        ("example.com", True),
        (".example.com", True),
        ("other.org, example.com", True),
        ("*", True),
        (f"{NAME}:443", True),
        (NAME.upper(), True),
        ("ample.com", False),
        ("other.org", False),
        (f"{NAME}:444", False),
    ],
)
def test_no_proxy_names_hosts_and_domains(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, *, excepted: bool
) -> None:
    through(monkeypatch, "https_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert (proxy_for(address.parse_runner_address(f"https://{NAME}")) is None) == excepted


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "all_proxy", "http://127.0.0.1:3128")

    assert proxy_for(address.parse_runner_address("https://localhost:8443")) is None


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://h:99999", "http://[::1"])
def test_what_is_no_http_proxy_is_refused(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    through(monkeypatch, "all_proxy", proxy)

    with pytest.raises(SettingsInvalid, match="not a proxy that can be used"):
        proxy_for(address.parse_runner_address(f"https://{NAME}"))


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [OK, CHUNKED], ids=["length", "chunked"])
def test_an_answer_may_be_cut_anywhere(whole: bytes) -> None:
    cuts = range(1, len(whole))

    async def main() -> list[bytes]:
        def reply(number: int, _head: str) -> list[bytes]:
            return [whole[: cuts[number - 1]], whole[cuts[number - 1] :]]

        async with (
            answering(reply) as seen,
            client(f"http://127.0.0.1:{seen.port}") as pool,
        ):
            return [(await pool.request(HttpRequest("GET", "/x"))).body for _ in cuts]

    assert asyncio.run(main()) == [b"hello"] * len(cuts)


@pytest.mark.parametrize("whole", [OK, CHUNKED], ids=["length", "chunked"])
def test_an_answer_may_come_byte_by_byte(whole: bytes) -> None:
    async def main() -> bytes:
        pieces = [whole[at : at + 1] for at in range(len(whole))]
        async with (
            answering(lambda *_: pieces) as seen,
            client(f"http://127.0.0.1:{seen.port}") as pool,
        ):
            return (await pool.request(HttpRequest("GET", "/x"))).body

    assert asyncio.run(main()) == b"hello"


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "],
    ids=["chunks", "a header"],
)
def test_an_answer_without_end_is_refused(start: bytes) -> None:
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n" if b"chunked" in start else b"x" * 65_536

    async def main() -> None:
        async with (
            answering(lambda *_: [start, *[piece] * 200]) as seen,
            client(f"http://127.0.0.1:{seen.port}") as pool,
        ):
            with pytest.raises(WorkflowsError) as caught:
                await pool.request(HttpRequest("GET", "/x"))
            assert isinstance(caught.value, RequestRefused) or "HTTP/1.1" in caught.value.what

    asyncio.run(main())


def test_a_second_answer_that_nobody_asked_for_is_nobodys_answer() -> None:
    """A runner (or what is between) out of step must not answer the wrong question."""
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"

    async def main() -> list[bytes]:
        async with (
            answering(lambda *_: [OK + other]) as seen,
            client(f"http://127.0.0.1:{seen.port}") as pool,
        ):
            return [(await pool.request(HttpRequest("GET", "/x"))).body for _ in range(3)]

    assert asyncio.run(main()) == [b"hello"] * 3


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=60)
    | st.tuples(
        st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ", b"HTTP/9.9 200 OK\r\n", b"\r\n"]),
        st.binary(max_size=60),
    ).map(b"".join)
)
def test_whatever_comes_is_an_answer_or_an_error_of_ours(reply: bytes) -> None:
    async def main() -> None:
        async with (
            answering(lambda *_: [reply, b""]) as seen,
            client(f"http://127.0.0.1:{seen.port}") as pool,
        ):
            try:
                answer = await pool.request(HttpRequest("GET", "/x"))
            except WorkflowsError:
                return
            assert 200 <= answer.status <= 999

    asyncio.run(main())
