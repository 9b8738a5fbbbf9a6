"""Heads of answers that a connection has read before, and does not parse again."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.dag.runner.wire import CHUNKED, OK
from workflows.dag.runner import address
from workflows.dag.runner.connection import MOST_PLAIN, HttpResponse, PoolConnection
from workflows.dag.runner.pool import ConnectionPool

if TYPE_CHECKING:
    from workflows.core.errors import WorkflowsError


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

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.log: list[object] = []
        self._open()

    def _open(self) -> None:
        self.connection, self.other = PoolConnection(self.pool), Told()
        self.connection.connection_made(self.other)

    def tell(self, outcome: HttpResponse | WorkflowsError) -> None:
        if isinstance(outcome, HttpResponse):
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
        where = address.parse_runner_address("http://127.0.0.1:9")
        both = [Exchanges(ConnectionPool(where)), Exchanges(ConnectionPool(where))]
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
        exchanges = Exchanges(ConnectionPool(address.parse_runner_address("http://127.0.0.1:9")))
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
