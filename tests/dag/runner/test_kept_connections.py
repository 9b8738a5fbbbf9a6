"""Connections that the runner closes between requests: what is asked again, and what never is."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.dag.runner.wire import Seen, answering
from workflows.core.errors import AnswerLost
from workflows.dag.runner import address, auth
from workflows.dag.runner.client import RetryLimits, RunnerClient
from workflows.dag.runner.pool import ConnectionPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def said(body: str, status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


JOB = said('{"job": {"jobId": "j1", "state": "NEW"}}')
PLAIN = said("not found", 404)
KNOWS_KEYS = said('{"idempotency": true}')


@asynccontextmanager
async def client_of(seen: Seen) -> AsyncIterator[RunnerClient]:
    where = address.parse_runner_address(f"127.0.0.1:{seen.port}")
    short, waiting = ConnectionPool(where), ConnectionPool(where)
    nobody = auth.choose_authorization("none", where.origin)
    try:
        yield RunnerClient(short, waiting, nobody, limits=RetryLimits(run_s=10))
    finally:
        short.close()
        waiting.close()
        await asyncio.sleep(0)


def keys(seen: Seen) -> list[str]:
    """The Idempotency-Key of each POST that arrived."""
    posts = [head for head in seen.heads if head.startswith("POST /job ")]
    return [re.findall(r"Idempotency-Key: (\S+)", head)[0] for head in posts]


async def _submitted(capabilities: bytes) -> tuple[Seen, str]:
    """Submit to a runner that takes the first POST and hangs up; the job, or the error's name."""

    def reply(_number: int, head: str) -> list[bytes] | None:
        if head.startswith("GET"):
            return [capabilities]
        return [JOB] if len(keys(seen)) > 1 else None

    async with answering(reply) as seen, client_of(seen) as client:
        await client.discover()
        try:
            job = await client.submit_job("a", "img", [], {}, "key-1")
        except AnswerLost:
            return seen, "lost"
        return seen, job.id


def test_a_job_is_not_submitted_twice_where_the_runner_knows_no_keys() -> None:
    seen, outcome = asyncio.run(_submitted(PLAIN))

    assert outcome == "lost"
    assert keys(seen) == ["key-1"]


def test_a_job_is_submitted_again_under_its_key_where_the_runner_knows_keys() -> None:
    seen, outcome = asyncio.run(_submitted(KNOWS_KEYS))

    assert outcome == "j1"
    assert keys(seen) == ["key-1", "key-1"]


@pytest.mark.parametrize("hang_up", ["after the answer", "on the next question"])
def test_a_question_is_asked_again_on_another_connection(hang_up: str) -> None:
    """A runner that closes what it kept: with its answer, or only when it is used again."""

    def reply(number: int, _head: str) -> list[bytes] | None:
        if hang_up == "after the answer":
            return [JOB, b""]
        return None if number % 2 == 0 else [JOB]

    async def main() -> list[str]:
        async with answering(reply) as seen, client_of(seen) as client:
            return [(await client.poll_job("j1")).id for _ in range(6)]

    assert asyncio.run(main()) == ["j1"] * 6


@pytest.mark.parametrize(
    ("capabilities", "connections"), [(PLAIN, 2), (KNOWS_KEYS, 1)], ids=["plain", "knows keys"]
)
def test_a_job_that_must_not_be_submitted_twice_gets_no_connection_that_was_idle_for_a_second(
    capabilities: bytes, connections: int
) -> None:
    """The runner may be about to close it, and then nobody knows whether it took the job."""

    def reply(_number: int, head: str) -> list[bytes]:
        return [capabilities if head.startswith("GET") else JOB]

    async def main() -> Seen:
        async with answering(reply) as seen, client_of(seen) as client:
            await client.discover()
            await asyncio.sleep(1.1)
            await client.submit_job("a", "img", [], {}, "key-1")
            return seen

    seen = asyncio.run(main())
    assert keys(seen) == ["key-1"]
    assert seen.connections == connections


def test_a_connection_that_was_idle_for_a_moment_only_carries_the_next_submission() -> None:
    def reply(_number: int, head: str) -> list[bytes]:
        return [PLAIN if head.startswith("GET") else JOB]

    async def main() -> Seen:
        async with answering(reply) as seen, client_of(seen) as client:
            await client.discover()
            await client.submit_job("a", "img", [], {}, "key-1")
            return seen

    assert asyncio.run(main()).connections == 1
