"""A backend that runs nothing: a plan says when jobs end and which requests fail."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from workflows.servers.serving import cut_connection
from workflows.task_runner.backends.backend import JobBackend
from workflows.task_runner.job import TaskJobState
from workflows.task_runner.responses import error_response

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from workflows.task_runner.backends.mock_plan import MockPlan
    from workflows.task_runner.job import TaskJob
    from workflows.task_runner.jobs import TaskJobs


class Mock(JobBackend):
    """Computes the state of a job when it is asked for, without timers and threads."""

    name = "mock"

    def __init__(self, plan: MockPlan, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self._clock = clock
        self._jobs: TaskJobs

    def attach(self, jobs: TaskJobs) -> None:
        """Take over the jobs; the mock keeps no journal, so there are none yet."""
        self._jobs = jobs

    def start(self, job: TaskJob) -> None:
        """Decide when the job will end."""
        queue, duration = self.plan.times(job.request, job.run)
        job.due_at = self._clock() + queue + duration

    def refresh(self, job: TaskJob) -> float | None:
        """Set the state that the job has by now; the seconds until it ends."""
        if job.state.final:
            return None
        left = job.due_at - self._clock()
        if left <= 0:
            self._end(job)
            return None
        if job.state is not TaskJobState.CANCELLING:
            _, duration = self.plan.times(job.request, job.run)
            now = TaskJobState.LOADING if left <= duration else TaskJobState.QUEUED
            if job.state is not now:
                self._jobs.move(job, now)
        return left

    def _end(self, job: TaskJob) -> None:
        if job.state is TaskJobState.CANCELLING:
            self._jobs.move(job, TaskJobState.CANCELLED, message="cancelled")
            return
        failure = self.plan.failure(job.request, job.run)
        if failure:
            self._jobs.move(job, TaskJobState.FAILED, message=failure[0], exit_code=failure[1])
        else:
            self._jobs.move(job, TaskJobState.SUCCEEDED, exit_code=0)

    def cancel(self, job: TaskJob) -> None:
        """Cancel the job; it ends after the plan's `cancel` seconds."""
        if self.refresh(job) is not None and self._jobs.move(job, TaskJobState.CANCELLING):
            job.due_at = self._clock() + self.plan.cancel
            self.refresh(job)

    def log(self, job: TaskJob) -> str:
        """What the job would have run."""
        line = {"image": job.request.image, "args": list(job.request.args), "state": job.state}
        return json.dumps(line) + "\n"

    def wrap_app(self, app: ASGIApp, faults: Counter[str]) -> ASGIApp:
        """The app with the faults of the plan in front of it."""
        return Unreliable(app, self, faults)

    def close(self) -> None:
        """Nothing runs."""


class Unreliable:
    """An ASGI app that injects the plan's faults into requests about jobs, and counts them.

    `plan` may be replaced between two requests.
    """

    def __init__(self, app: ASGIApp, mock: Mock, counted: Counter[str]) -> None:
        self._app = app
        self._mock = mock
        self._counted = counted
        self._asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or inject a fault."""
        if scope["type"] != "http" or not scope["path"].startswith("/job"):
            await self._app(scope, receive, send)
            return
        self._asked += 1
        plan = self._mock.plan
        if plan.latency:
            await asyncio.sleep(plan.latency)
        fault = self._fault(self._asked)
        if fault:
            self._counted[fault] += 1
        if fault == "storm" and plan.storm:
            wait = f"{plan.storm.retry_after:g}".encode()
            await error_response(429, "too many requests", (b"retry-after", wait)).send(send)
        elif fault == "error":
            await error_response(plan.error_status, "the mock was told to fail").send(send)
        elif fault == "drop":
            await cut_connection(send)
        elif fault == "lost":
            await self._app(scope, receive, _nobody)
            await cut_connection(send)
        else:
            await self._app(scope, receive, send)

    def _fault(self, number: int) -> str:
        """The fault of the request with this number; empty if there is none."""
        plan = self._mock.plan
        storm = plan.storm
        if storm and (number - 1) % (storm.every + storm.length) >= storm.every:
            return "storm"
        rates = (("error", plan.error_rate), ("drop", plan.drop_rate), ("lost", plan.lost_rate))
        if not any(rate for _, rate in rates):
            return ""
        chance = plan.chance("request", number)
        for fault, rate in rates:
            if chance < rate:
                return fault
            chance -= rate
        return ""


async def _nobody(message: Message) -> None:
    """Drop an answer that is to be lost."""
