"""A Task Runner as seen by a run: submit, look, cancel; retries, tokens and lost answers in here.

Works against a runner that knows the two documented requests only, and uses what more one offers
(`RunnerCapabilities`). Every request carries a timeout; what may pass is tried again for
`patience_s` seconds, with waits that double, vary, and honour Retry-After up to 60 s.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import time
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from workflows.core.errors import (
    AccessDenied,
    AnswerLost,
    AuthenticationFailed,
    RemoteUnavailable,
    RequestRefused,
    ResourceNotFound,
    RunnerUnusable,
    TimeoutExceeded,
    TransientError,
    WorkflowsError,
)
from workflows.core.http_status import is_transient, retry_after_s
from workflows.core.observability import logger
from workflows.core.redaction import redact
from workflows.dag.runner import protocol
from workflows.dag.runner.connection import HttpResponse
from workflows.dag.runner.pool import Question
from workflows.dag.runner.protocol import JobState, RunnerCapabilities, RunnerJob, decode_plain_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workflows.dag.runner.auth import Authorization
    from workflows.dag.runner.pool import ConnectionPool

T = TypeVar("T")
A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)

_log = logger("dag")
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 20.0
_LONGEST_ASKED_S = 60.0
_CANCEL_PATIENCE_S = 1.0
_HEADERS = "Accept: application/json\r\nUser-Agent: workflows\r\n"
_EMPTY = "Content-Length: 0\r\n"
_JSON = "Content-Type: application/json\r\n"
_UNKNOWN = JobState.UNKNOWN  # once, since looking it up costs more than comparing
_REPEATABLE = False  # not `once`; told by its place, since a keyword costs a dictionary
_NOT_A_RUNNER = frozenset({404, 405})


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long, in seconds, what may pass is tried again: at the start, and in mid-run."""

    start_s: float = 5.0
    run_s: float = 300.0


@dataclass(slots=True, eq=False)
class Request(Question, Generic[T]):
    """What is asked, and how its answer is read; the runner may hold that for `extra_s` seconds."""

    read: Callable[[HttpResponse], T]


class Sent(NamedTuple):
    """How one try went: the Authorization header that was sent, and what came."""

    token: str
    outcome: HttpResponse | WorkflowsError


class Asker(Protocol[A_contra]):
    """Who is told how a request went that `RunnerClient.begin` sent; `about` is the asker's own.

    Its methods must not raise: the event loop calls them. `unanswered` may be called at once.
    """

    def answered(self, about: A_contra, job: RunnerJob, /) -> None:
        """The first try has given this job."""

    def unanswered(
        self, about: A_contra, request: Request[RunnerJob], sent: Sent | None, /
    ) -> None:
        """It is not that simple: `exchange` is to go on from what came.

        That is nothing where the request could not be sent now.
        """


@dataclass(slots=True)
class _Tries:
    """How one exchange has gone so far. Times in seconds; `began` at its first failure."""

    patience_s: float
    began: float = 0.0
    delay_s: float = _FIRST_WAIT_S
    renewed: bool = False


class RunnerClient:
    """One runner. `repeat_lost`: submit again where it is unknown whether a job was made.

    `transport` carries short requests, `waiting` those that the runner holds until a job ends.
    """

    def __init__(
        self,
        transport: ConnectionPool,
        waiting: ConnectionPool,
        authorization: Authorization,
        *,
        patience: RetryLimits,
        repeat_lost: bool = False,
    ) -> None:
        self.capabilities = RunnerCapabilities()
        self._transport = transport
        self._waiting = waiting
        self._authorization = authorization
        self._patience = patience
        self._once = not repeat_lost  # whether a job must not be submitted twice
        self._not_before = 0.0  # a runner that is overrun asked all of us to wait
        self._reported: set[str] = set()
        self._loop = asyncio.get_running_loop()

    async def discover(self) -> RunnerCapabilities:
        """Ask once what the runner offers; a plain one answers 404 or nonsense, which is fine.

        Raises:
            NetworkError, TimeoutExceeded: it cannot be reached.
            AuthenticationFailed, AccessDenied: it does not let us in.
        """

        def read(answer: HttpResponse) -> RunnerCapabilities:
            if answer.status in {401, 403}:
                self._check(answer, "GET /capabilities")
            good = 200 <= answer.status < 300  # noqa: PLR2004
            return protocol.decode_capabilities(answer.body) if good else RunnerCapabilities()

        asked = Request("GET", "/capabilities", "", b"", 0, once=False, read=read)
        self.capabilities = await self.exchange(asked, patience_s=self._patience.start_s)
        self._once = self._once and not self.capabilities.idempotency
        return self.capabilities

    def submit(
        self, name: str, image: str, args: protocol.Args, env: Mapping[str, str], key: str
    ) -> Request[RunnerJob]:
        """To have a job made, once; a runner that knows keys gives the same job for a `key`.

        Raises, when it is carried out:
            RequestRefused: the runner does not take this job.
            AnswerLost, TimeoutExceeded: unknown whether it was made, and it must not be repeated.
            RunnerUnusable: what answers is no Task Runner.
            TransientError: out of patience.
        """
        body = protocol.encode_submission(name, image, args, env)
        headers = f"{_JSON}Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n"
        return Request("POST", "/job", headers, body, 0, self._once, self._submitted)

    def _submitted(self, answer: HttpResponse) -> RunnerJob:
        status = answer.status
        if status != 200:  # noqa: PLR2004
            if status in _NOT_A_RUNNER:
                raise self._unusable(answer, "POST /job")
            self._check(answer, "POST /job")
        job = protocol.decode_job(answer.body)
        if job is None:
            raise AnswerLost(
                f"POST /job was answered {status} without a job",
                why=redact(protocol.error_text(answer.body)),
            )
        return job if job.state is not _UNKNOWN else self._known(job)

    def look(self, job_id: str, wait_s: float = 0) -> Request[RunnerJob]:
        """For the job's state; with `wait_s` the runner may hold its answer until it has ended.

        Raises, when it is carried out:
            RequestRefused: the runner does not know the job, or will not say.
            TransientError: out of patience.
        """
        path = protocol.job_status_path(job_id, wait_s)
        return Request("GET", path, "", b"", wait_s, _REPEATABLE, self._looked)

    def _looked(self, answer: HttpResponse) -> RunnerJob:
        status = answer.status
        if status != 200:  # noqa: PLR2004
            if status == 404:  # noqa: PLR2004
                what = "the runner does not know the job"
                raise ResourceNotFound(what, why=redact(protocol.error_text(answer.body)))
            self._check(answer, "GET /jobstatus")
        job = protocol.decode_job(answer.body)
        if job is None:
            raise RemoteUnavailable(
                f"GET /jobstatus was answered {status} without a job",
                why=redact(protocol.error_text(answer.body)),
            )
        return job if job.state is not _UNKNOWN else self._known(job)

    async def cancel(self, job_id: str) -> None:
        """Ask for a job's end; whether it ends is seen by looking. Safe to repeat.

        Raises:
            WorkflowsError: it was not accepted.
        """

        def read(answer: HttpResponse) -> None:
            self._check(answer, "POST /job/cancel")

        path = protocol.job_cancel_path(job_id)
        asked = Request("POST", path, _EMPTY, b"", 0, once=False, read=read)
        await self.exchange(asked, patience_s=_CANCEL_PATIENCE_S)

    async def find(self, name: str) -> list[RunnerJob]:
        """The jobs of a name, where the runner offers that.

        Raises:
            WorkflowsError: the runner does not say.
        """

        def read(answer: HttpResponse) -> list[RunnerJob]:
            self._check(answer, "GET /jobs")
            return protocol.decode_jobs(answer.body)

        path = protocol.job_search_path(name)
        return await self.exchange(Request("GET", path, "", b"", 0, once=False, read=read))

    def begin(self, request: Request[RunnerJob], about: A, asker: Asker[A]) -> None:
        """Send now, without a task; one of the asker's methods is called, once, with `about`."""
        token = self._authorization.current()
        if self._not_before or (not token and self._authorization.renewable):
            asker.unanswered(about, request, None)
            return
        transport = self._waiting if request.extra_s else self._transport
        transport.begin(request, _HEADERS + token, partial(_heard, request, token, about, asker))

    async def exchange(
        self, request: Request[T], first: Sent | None = None, *, patience_s: float | None = None
    ) -> T:
        """Send until an answer gives a value, fails for good, or patience ends.

        NetworkError (nothing was sent) and RemoteUnavailable (the runner said no) are always tried
        again, AnswerLost and TimeoutExceeded unless it is asked `once`. A token that is refused is
        renewed once. `first` is how a try went that `begin` made; `patience_s` seconds of patience
        may be given for this one.
        """
        tries: _Tries | None = None
        patience_s = self._patience.run_s if patience_s is None else patience_s
        while True:
            try:
                token, outcome = first or await self._sent(request)
                first = None
                if isinstance(outcome, WorkflowsError):
                    raise outcome
                if outcome.status != 401:  # noqa: PLR2004
                    return request.read(outcome)
                tries = tries or _Tries(patience_s)
                if tries.renewed or not self._authorization.renewable:
                    return request.read(outcome)
                tries.renewed = True
                await self._authorization.renew(token)
            except TransientError as error:
                if isinstance(error, AnswerLost | TimeoutExceeded) and request.once:
                    raise
                tries = tries or _Tries(patience_s)
                await self._pause(tries, error)

    async def _sent(self, request: Request[T]) -> Sent:
        """One try."""
        if self._not_before:
            await self._hold_off()
        token = self._authorization.current() or await self._authorization.header()
        transport = self._waiting if request.extra_s else self._transport
        try:
            answer = await transport.ask(request, _HEADERS + token)
        except WorkflowsError as error:
            return Sent(token, error)
        return Sent(token, answer)

    async def _hold_off(self) -> None:
        """Wait while the runner has asked all of us to."""
        while (pause_s := self._not_before - self._loop.time()) > 0:  # noqa: ASYNC110 - it moves
            await asyncio.sleep(pause_s * (1 + _chance() / 4))
        self._not_before = 0.0

    async def _pause(self, tries: _Tries, error: TransientError) -> None:
        """Wait before the next try.

        Raises:
            TransientError: `error`, when patience has ended.
        """
        now = self._loop.time()
        if isinstance(error, AnswerLost) and error.stale and not tries.began:
            return  # nobody has seen it: at once, on another connection
        tries.began = tries.began or now
        wait_s = tries.delay_s * (0.5 + _chance() / 2)
        tries.delay_s = min(2 * tries.delay_s, _LONGEST_WAIT_S)
        if isinstance(error, RemoteUnavailable) and error.wait_s is not None:
            wait_s = error.wait_s
            self._not_before = max(self._not_before, now + wait_s)
        if now + wait_s - tries.began > tries.patience_s:
            raise error
        _log.debug("%s; again in %.1f s", error.what, wait_s)
        await asyncio.sleep(wait_s)

    def _check(self, answer: HttpResponse, asked: str) -> None:
        """Nothing for any 2xx.

        Raises:
            RemoteUnavailable, AuthenticationFailed, AccessDenied, RequestRefused: by its status.
        """
        status = answer.status
        if 200 <= status < 300:  # noqa: PLR2004
            return
        what = f"{asked} was answered with {status}"
        why = redact(protocol.error_text(answer.body))
        if is_transient(status):
            later = RemoteUnavailable(what, why=why, fix="try again later")
            header = answer.header("retry-after")
            later.wait_s = retry_after_s(header, now=time(), longest_s=_LONGEST_ASKED_S)
            raise later
        if status == 401:  # noqa: PLR2004
            raise AuthenticationFailed(what, why=why, fix=self._authorization.advice)
        if status == 403:  # noqa: PLR2004
            raise AccessDenied(what, why=why, fix=self._authorization.advice)
        if status < 400:  # noqa: PLR2004 - redirects are not followed
            raise self._unusable(answer, asked)
        raise RequestRefused(what, why=why)

    def _unusable(self, answer: HttpResponse, asked: str) -> RunnerUnusable:
        place = answer.header("location")
        why = redact(f"it leads to {place}" if place else protocol.error_text(answer.body))
        return RunnerUnusable(
            f"{self._transport.address} is not a Task Runner: {asked} was answered"
            f" with {answer.status}",
            why=why,
            fix="check --tr-hostname; redirects are not followed",
        )

    def _known(self, job: RunnerJob) -> RunnerJob:
        """The job, whose state nobody has heard of; that is told once for each such word."""
        if job.word not in self._reported:
            self._reported.add(job.word)
            word = redact(job.word[:40])
            _log.warning("the runner says %r of job %s: taken for a running job", word, job.id)
        return job


def _heard(
    request: Request[RunnerJob],
    token: str,
    about: A,
    asker: Asker[A],
    outcome: HttpResponse | WorkflowsError,
) -> None:
    """How a first try went. A function of its own: a closure costs more than a `partial`."""
    if isinstance(outcome, HttpResponse) and outcome.status == 200:  # noqa: PLR2004
        job = decode_plain_job(outcome.body)
        if job is None:
            with suppress(Exception):  # `exchange` comes upon it again, where it is seen
                job = request.read(outcome)
        if job is not None:
            asker.answered(about, job)
            return
    asker.unanswered(about, request, Sent(token, outcome))


def _chance() -> float:
    """A number from 0 to 1, so that many do not come back at the same moment."""
    return int.from_bytes(os.urandom(2), "big") / 65_535
