"""A client of one Task Runner: submit, poll, cancel and find jobs; with retries and tokens.

It works with a runner that knows the two documented requests only, and uses what a runner offers
beyond them (`RunnerCapabilities`). Every request has a timeout. After a transient error it is sent
again for `patience_s` seconds, with waits that double and vary; Retry-After is honoured up to 60 s.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, TypeVar

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
)
from workflows.core.http_status import is_transient, retry_after_s
from workflows.core.observability import logger
from workflows.core.redaction import redact
from workflows.dag.runner import protocol
from workflows.dag.runner.messages import HttpRequest, HttpResponse
from workflows.dag.runner.protocol import JobState, RunnerCapabilities, RunnerJob

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from workflows.dag.runner.auth import Authorization
    from workflows.dag.runner.pool import ConnectionPool

T = TypeVar("T")

_log = logger("dag")
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 20.0
_LONGEST_RETRY_AFTER_S = 60.0
_CANCEL_PATIENCE_S = 1.0
_JSON = "Content-Type: application/json\r\n"
_UNKNOWN = JobState.UNKNOWN  # once, since looking up an enum's member is slow
_NOT_A_RUNNER = frozenset({404, 405})


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long, in seconds, transient errors are retried: at the start, and during the run."""

    start_s: float = 5.0
    run_s: float = 300.0


@dataclass(slots=True)
class _Retries:
    """The retries of one request. Times in seconds; `began` is the time of the first failure."""

    patience_s: float
    began: float = 0.0
    delay_s: float = _FIRST_WAIT_S
    token_renewed: bool = False


class RunnerClient:
    """One runner. With `repeat_lost` a job is submitted again if it may have been made or not.

    `pool` carries short requests, `long_poll_pool` those that the runner holds until a job ends.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        long_poll_pool: ConnectionPool,
        authorization: Authorization,
        *,
        limits: RetryLimits,
        repeat_lost: bool = False,
    ) -> None:
        self.capabilities = RunnerCapabilities()
        self._pool = pool
        self._long_poll_pool = long_poll_pool
        self._authorization = authorization
        self._limits = limits
        self._submission_repeatable = repeat_lost
        self._not_before = 0.0  # Retry-After, for all requests
        self._reported_states: set[str] = set()
        self._loop = asyncio.get_running_loop()

    async def discover(self) -> RunnerCapabilities:
        """Ask what the runner offers. A runner with no such request offers nothing.

        Raises:
            NetworkError, TimeoutExceeded: it cannot be reached.
            AuthenticationFailed, AccessDenied: it does not accept our token.
        """

        def decode(response: HttpResponse) -> RunnerCapabilities:
            if response.status in {401, 403}:
                self._check(response, "GET /capabilities")
            if 200 <= response.status < 300:  # noqa: PLR2004
                return protocol.decode_capabilities(response.body)
            return RunnerCapabilities()

        request = HttpRequest("GET", "/capabilities")
        self.capabilities = await self._exchange(request, decode, self._limits.start_s)
        self._submission_repeatable |= self.capabilities.idempotency
        return self.capabilities

    def submit_job(
        self, name: str, image: str, args: protocol.Args, env: Mapping[str, str], key: str
    ) -> Awaitable[RunnerJob]:
        """Have a job made; a runner that knows idempotency keys makes one job for a `key`.

        Raises:
            RequestRefused: the runner does not take this job.
            AnswerLost, TimeoutExceeded: the job may have been made, and must not be repeated.
            RunnerUnusable: the server at this address is no Task Runner.
            TransientError: it failed for longer than the retry limit.
        """
        request = HttpRequest(
            "POST",
            "/job",
            f"{_JSON}Idempotency-Key: {key}\r\n",
            protocol.encode_submission(name, image, args, env),
            repeatable=self._submission_repeatable,
        )
        return self._exchange(request, self._submitted_job)

    def _submitted_job(self, response: HttpResponse) -> RunnerJob:
        status = response.status
        if status != 200:  # noqa: PLR2004
            if status in _NOT_A_RUNNER:
                raise self._unusable(response, "POST /job")
            self._check(response, "POST /job")
        job = protocol.decode_job(response.body)
        if job is None:
            raise AnswerLost(
                f"POST /job was answered {status} without a job",
                why=redact(protocol.error_text(response.body)),
            )
        if job.state is _UNKNOWN:
            self._report_unknown_state(job)
        return job

    def poll_job(self, job_id: str, wait_s: float = 0) -> Awaitable[RunnerJob]:
        """The job with its state; with `wait_s` the runner may wait until the job has ended.

        Raises:
            ResourceNotFound: the runner does not know the job.
            RequestRefused: the runner does not say.
            TransientError: it failed for longer than the retry limit.
        """
        request = HttpRequest("GET", protocol.job_status_path(job_id, wait_s), extra_s=wait_s)
        return self._exchange(request, self._polled_job)

    def _polled_job(self, response: HttpResponse) -> RunnerJob:
        status = response.status
        if status != 200:  # noqa: PLR2004
            if status == 404:  # noqa: PLR2004
                what = "the runner does not know the job"
                raise ResourceNotFound(what, why=redact(protocol.error_text(response.body)))
            self._check(response, "GET /jobstatus")
        job = protocol.decode_job(response.body)
        if job is None:
            raise RemoteUnavailable(
                f"GET /jobstatus was answered {status} without a job",
                why=redact(protocol.error_text(response.body)),
            )
        if job.state is _UNKNOWN:
            self._report_unknown_state(job)
        return job

    async def cancel_job(self, job_id: str) -> None:
        """Ask the runner to cancel a job; polls show whether it ends. Idempotent.

        Raises:
            WorkflowsError: the runner did not accept it.
        """

        def check(response: HttpResponse) -> None:
            self._check(response, "POST /job/cancel")

        request = HttpRequest("POST", protocol.job_cancel_path(job_id))
        await self._exchange(request, check, _CANCEL_PATIENCE_S)

    async def find_jobs(self, name: str) -> list[RunnerJob]:
        """The jobs of a name. Only a runner with the capability `find` has this request.

        Raises:
            WorkflowsError: the runner does not say.
        """

        def decode(response: HttpResponse) -> list[RunnerJob]:
            self._check(response, "GET /jobs")
            return protocol.decode_jobs(response.body)

        return await self._exchange(HttpRequest("GET", protocol.job_search_path(name)), decode)

    async def _exchange(
        self,
        request: HttpRequest,
        decode: Callable[[HttpResponse], T],
        patience_s: float | None = None,
    ) -> T:
        """Send until a response can be decoded, an error is permanent, or the limit is reached.

        NetworkError (nothing was sent) and RemoteUnavailable (the runner did not carry it out) are
        always retried, AnswerLost and TimeoutExceeded only if the request is repeatable. A token
        that is refused is renewed once. `patience_s` replaces the run's limit.
        """
        retries: _Retries | None = None
        pool = self._long_poll_pool if request.extra_s else self._pool
        authorization = self._authorization
        while True:
            if self._not_before:
                await self._wait_for_retry_after()
            try:
                token = authorization.current()
                if not token and authorization.renewable:
                    token = await authorization.header()
                response = await pool.request(request, token)
                if response.status != 401:  # noqa: PLR2004
                    return decode(response)
                retries = self._retries(retries, patience_s)
                if not await self._renew_token(retries, token):
                    return decode(response)
            except TransientError as error:
                retries = self._retries(retries, patience_s)
                await self._pause(request, retries, error)

    def _retries(self, so_far: _Retries | None, patience_s: float | None) -> _Retries:
        """Those of the request so far, or new ones at its first failure."""
        if so_far is not None:
            return so_far
        return _Retries(self._limits.run_s if patience_s is None else patience_s)

    async def _renew_token(self, retries: _Retries, refused: str) -> bool:
        """Renew the refused token, at most once for a request; False if that cannot be done."""
        if retries.token_renewed or not self._authorization.renewable:
            return False
        retries.token_renewed = True
        await self._authorization.renew(refused)
        return True

    async def _wait_for_retry_after(self) -> None:
        """Wait as long as the runner has asked all requests to wait."""
        while (pause_s := self._not_before - self._loop.time()) > 0:  # noqa: ASYNC110 - it moves
            await asyncio.sleep(pause_s * (1 + _random_fraction() / 4))
        self._not_before = 0.0

    async def _pause(self, request: HttpRequest, retries: _Retries, error: TransientError) -> None:
        """Wait before the next attempt.

        Raises:
            TransientError: `error`, when the limit is reached or the request is not repeatable.
        """
        if isinstance(error, AnswerLost | TimeoutExceeded) and not request.repeatable:
            raise error
        now = self._loop.time()
        if isinstance(error, AnswerLost) and error.stale and not retries.began:
            return  # the server had closed the connection before: send again at once
        retries.began = retries.began or now
        wait_s = retries.delay_s * (0.5 + _random_fraction() / 2)
        retries.delay_s = min(2 * retries.delay_s, _LONGEST_WAIT_S)
        if isinstance(error, RemoteUnavailable) and error.wait_s is not None:
            wait_s = error.wait_s
            self._not_before = max(self._not_before, now + wait_s)
        if now + wait_s - retries.began > retries.patience_s:
            raise error
        _log.debug("%s; again in %.1f s", error.what, wait_s)
        await asyncio.sleep(wait_s)

    def _check(self, response: HttpResponse, request: str) -> None:
        """Do nothing for any 2xx.

        Raises:
            RemoteUnavailable, AuthenticationFailed, AccessDenied, RunnerUnusable, RequestRefused:
                by the status.
        """
        status = response.status
        if 200 <= status < 300:  # noqa: PLR2004
            return
        what = f"{request} was answered with {status}"
        why = redact(protocol.error_text(response.body))
        if is_transient(status):
            unavailable = RemoteUnavailable(what, why=why, fix="try again later")
            header = response.header("retry-after")
            unavailable.wait_s = retry_after_s(header, now=time(), longest_s=_LONGEST_RETRY_AFTER_S)
            raise unavailable
        if status == 401:  # noqa: PLR2004
            raise AuthenticationFailed(what, why=why, fix=self._authorization.advice)
        if status == 403:  # noqa: PLR2004
            raise AccessDenied(what, why=why, fix=self._authorization.advice)
        if status < 400:  # noqa: PLR2004 - redirects are not followed
            raise self._unusable(response, request)
        raise RequestRefused(what, why=why)

    def _unusable(self, response: HttpResponse, request: str) -> RunnerUnusable:
        location = response.header("location")
        text = f"it leads to {location}" if location else protocol.error_text(response.body)
        return RunnerUnusable(
            f"{self._pool.address} is not a Task Runner: {request} was answered"
            f" with {response.status}",
            why=redact(text),
            fix="check --tr-hostname; redirects are not followed",
        )

    def _report_unknown_state(self, job: RunnerJob) -> None:
        """Warn once of each state that is not in the protocol."""
        if job.state_text not in self._reported_states:
            self._reported_states.add(job.state_text)
            text = redact(job.state_text[:40])
            _log.warning("the runner says %r of job %s: taken for a running job", text, job.id)


def _random_fraction() -> float:
    """A number from 0 to 1, so that many requests are not repeated at the same moment."""
    return int.from_bytes(os.urandom(2), "big") / 65_535
