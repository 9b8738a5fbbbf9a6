"""The lean HTTP client on real sockets: TLS, proxies, kept connections that end, odd answers."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import astuple
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.dag.wire import OK, Authority, Seen, answering, proxy
from workflows.core.errors import NetworkError, RequestRefused, SettingsInvalid, WorkflowsError
from workflows.dag import address
from workflows.dag.connection import MOST_PLAIN, Answer, Connection
from workflows.dag.transport import Transport
from workflows.dag.tunnel import proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAME = "runner.example.com"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: z\r\n\r\n"
)


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
async def client(url: str) -> AsyncIterator[Transport]:
    transport = Transport(address.parse(url), timeout_s=10)
    try:
        yield transport
    finally:
        transport.close()
        await asyncio.sleep(0)


# --- TLS -------------------------------------------------------------------------------------


def test_an_authority_of_our_own_is_trusted_where_it_is_named(authority: Authority) -> None:
    async def main() -> bytes:
        tls = authority.server("127.0.0.1")
        async with (
            answering(lambda *_: [OK], tls=tls) as seen,
            client(f"https://127.0.0.1:{seen.port}") as transport,
        ):
            return (await transport.send("GET", "/x")).body

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
            client(f"https://127.0.0.1:{seen.port}") as transport,
        ):
            with pytest.raises(NetworkError, match=r"(?i)certificate"):
                await transport.send("GET", "/x", headers="Authorization: Bearer s3cret\r\n")
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
            async with client(f"https://{NAME}") as transport:
                answers = [await transport.send("GET", "/x") for _ in range(2)]
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
            async with client(f"https://{NAME}") as transport:
                with pytest.raises(NetworkError, match=words):
                    await transport.send("GET", "/x")

    asyncio.run(main())


def test_plain_http_is_asked_of_the_proxy_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Seen:
        async with answering(lambda *_: [OK]) as between:
            through(monkeypatch, "http_proxy", f"http://user:hush-77d1@127.0.0.1:{between.port}")
            async with client(f"http://{NAME}:81/base") as transport:
                await transport.send("GET", "/x?y=z")
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

    assert (proxy_for(address.parse(f"https://{NAME}")) is None) == excepted


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "all_proxy", "http://127.0.0.1:3128")

    assert proxy_for(address.parse("https://localhost:8443")) is None


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "all_proxy", "socks5://127.0.0.1:1080")

    with pytest.raises(SettingsInvalid, match="only http:// proxies"):
        proxy_for(address.parse(f"https://{NAME}"))


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [OK, CHUNKED], ids=["length", "chunked"])
def test_an_answer_may_be_cut_anywhere(whole: bytes) -> None:
    cuts = range(1, len(whole))

    async def main() -> list[bytes]:
        def reply(number: int, _head: str) -> list[bytes]:
            return [whole[: cuts[number - 1]], whole[cuts[number - 1] :]]

        async with (
            answering(reply) as seen,
            client(f"http://127.0.0.1:{seen.port}") as transport,
        ):
            return [(await transport.send("GET", "/x")).body for _ in cuts]

    assert asyncio.run(main()) == [b"hello"] * len(cuts)


@pytest.mark.parametrize("whole", [OK, CHUNKED], ids=["length", "chunked"])
def test_an_answer_may_come_byte_by_byte(whole: bytes) -> None:
    async def main() -> bytes:
        pieces = [whole[at : at + 1] for at in range(len(whole))]
        async with (
            answering(lambda *_: pieces) as seen,
            client(f"http://127.0.0.1:{seen.port}") as transport,
        ):
            return (await transport.send("GET", "/x")).body

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
            client(f"http://127.0.0.1:{seen.port}") as transport,
        ):
            with pytest.raises(WorkflowsError) as caught:
                await transport.send("GET", "/x")
            assert isinstance(caught.value, RequestRefused) or "HTTP/1.1" in caught.value.what

    asyncio.run(main())


def test_a_second_answer_that_nobody_asked_for_is_nobodys_answer() -> None:
    """A runner (or what is between) out of step must not answer the wrong question."""
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"

    async def main() -> list[bytes]:
        async with (
            answering(lambda *_: [OK + other]) as seen,
            client(f"http://127.0.0.1:{seen.port}") as transport,
        ):
            return [(await transport.send("GET", "/x")).body for _ in range(3)]

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
            client(f"http://127.0.0.1:{seen.port}") as transport,
        ):
            try:
                answer = await transport.send("GET", "/x")
            except WorkflowsError:
                return
            assert 200 <= answer.status <= 999

    asyncio.run(main())


# --- heads that are known ------------------------------------------------------------------------


class Told(asyncio.Transport):
    """The other end of a connection whose pieces a test hands over itself."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: object) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


class Nothing(dict[bytes, int]):
    """Learns no head, so that every answer is parsed."""

    def __setitem__(self, head: bytes, length: int) -> None: ...


class Exchanges:
    """What comes of answers, each of which comes in pieces, in the order they are given."""

    def __init__(self, pool: Transport) -> None:
        self.pool = pool
        self.log: list[object] = []
        self._open()

    def _open(self) -> None:
        self.connection, self.other = Connection(self.pool), Told()
        self.connection.connection_made(self.other)

    def tell(self, outcome: Answer | WorkflowsError) -> None:
        if isinstance(outcome, Answer):
            self.log.append(astuple(outcome))
        else:
            self.log.append((type(outcome), str(outcome)))

    def run(self, pieces: list[bytes]) -> None:
        self.connection.send(b"", 0, self.tell)
        for piece in pieces:
            if not self.other.closed:
                self.connection.data_received(piece)
                self.log.append(self.other.closed)
        if self.connection.tell is not None:
            self.connection.connection_lost(None)
        if self.other.closed:
            self._open()


HEADS = st.tuples(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 503 No"]),
    st.lists(
        st.sampled_from(
            [
                b"Content-Length: 5",
                b"content-length:5 ",
                b"Content-Length: 0",
                b"Content-Length: 12",
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: x",
                b"Connection: close",
                b"Connection: keep-alive, upgrade",
                b"Upgrade: h2c",
                b"X: y\n\nz",
                b"X: y\r",
                b"\xff",
            ]
        ),
        max_size=3,
    ).map(lambda lines: b"\r\n".join([*lines, b"A: b"])),
).map(b"\r\n".join)
ENDS = st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n"])
BODIES = st.sampled_from(
    [b"hello", b"", b"he\r\n\r\nlo", b"hello\r\n", b"5\r\nhello\r\n0\r\n\r\n", OK, b"hello" + OK]
)
BEFORE = st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n"])
ANSWERS = st.just(OK) | st.tuples(BEFORE, HEADS, ENDS, BODIES).map(b"".join)


EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
WITHIN = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(OK), OK)


@settings(max_examples=500, deadline=None)
@example([EMPTY], [(0, 0), (0, len(EMPTY) - 4)])
@example([OK.replace(b"200", b"503")], [(0, 0), (0, 0)])
@example([OK, WITHIN], [(0, 0), (1, len(WITHIN) - len(OK))])
@given(
    st.lists(ANSWERS, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300)), max_size=8),
)
def test_a_head_that_is_known_means_what_the_parser_says(
    answers: list[bytes], order: list[tuple[int, int]]
) -> None:
    """One pool reads known heads by itself, the other never; nothing may tell them apart."""

    async def main() -> list[list[object]]:
        where = address.parse("http://127.0.0.1:9")
        both = [Exchanges(Transport(where)), Exchanges(Transport(where))]
        both[1].pool.plain = Nothing()
        for which, cut in order:
            whole = answers[which % len(answers)]
            pieces = [piece for piece in (whole[:cut], whole[cut:]) if piece]
            for one in both:
                one.run(pieces)
        return [one.log for one in both]

    knowing, parsing = asyncio.run(main())
    assert knowing == parsing


def test_heads_are_learned_from_plain_answers_only_and_forgotten_when_there_are_many() -> None:
    async def main() -> tuple[dict[bytes, int], list[int]]:
        exchanges = Exchanges(Transport(address.parse("http://127.0.0.1:9")))
        for odd in (CHUNKED, OK.replace(b"200", b"404"), OK.replace(b"5", b"0")[:-5]):
            exchanges.run([odd])
        exchanges.run([OK])
        plain = dict(exchanges.pool.plain)
        for number in range(200):
            exchanges.run([OK.replace(b"OK", b"OK %d" % number)])
        counts = [len(exchanges.pool.plain)]
        exchanges.pool._sweep()
        return plain, [*counts, len(exchanges.pool.plain)]

    plain, counts = asyncio.run(main())
    assert plain == {OK.partition(b"\r\n\r\n")[0]: 5}
    assert counts == [MOST_PLAIN, 0]
