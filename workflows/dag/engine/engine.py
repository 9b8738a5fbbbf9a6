"""Runs a DAG at a Task Runner: each step once, as soon as its last dependency has ended.

One thread and one event loop; a waiting step costs no task and no timer. The engine decides what
starts and what an end means: a retry, or steps that may start or are skipped. The scheduler knows
the order, `attempts.py` runs a single attempt. An attempt is in the journal before its job is
submitted; the job's id and its end follow as soon as they are known. So another process can resume
the run after any end of this one.
"""

from __future__ import annotations

from collections import deque
from time import time
from typing import TYPE_CHECKING

from workflows.core.errors import Terminated
from workflows.core.redaction import redact
from workflows.dag.engine import stopping
from workflows.dag.engine.attempts import AttemptRunner
from workflows.dag.engine.background import BackgroundTasks
from workflows.dag.engine.dependencies import RunContext
from workflows.dag.engine.journal_writer import JournalWriter
from workflows.dag.engine.run_state import RunState
from workflows.dag.engine.start_queue import StartQueue
from workflows.dag.journal import events
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.dag.engine.dependencies import EngineConfig, EngineDependencies
    from workflows.dag.file.model import Dag

_LONGEST_RETRY_DELAY_S = 30.0
_SUCCEEDED = StepState.SUCCEEDED  # once, since looking up an enum's member is slow


class Engine:
    """One run. Create it inside a running event loop. `state` is what the displays read."""

    def __init__(
        self, dag: Dag, run_id: str, dependencies: EngineDependencies, config: EngineConfig
    ) -> None:
        self.state = RunState(dag, run_id, dependencies.past, dependencies.expected_s)
        self._scheduler = self.state.scheduler
        self._config = config
        self._observer = dependencies.observer
        self._tasks = BackgroundTasks()
        self._journal = JournalWriter(dependencies.journal, self._tasks)
        self._context = RunContext(
            self.state, config, dependencies.client, self._journal, self._tasks
        )
        self._attempts = AttemptRunner(
            self._context,
            dependencies.flow_runner,
            on_submitted=self._attempt_submitted,
            on_ended=self._attempt_ended,
        )
        max_running = min(dag.max_parallel or config.max_parallel, config.max_parallel)
        self._queue = StartQueue(max_running, config.max_submissions)
        self._retries: dict[int, int] = {}
        self._start_is_planned = False
        self._stop_signal: int | None = None

    @property
    def polls(self) -> int:
        """How many times a job was polled."""
        return self._attempts.poller.polls

    @property
    def took_s(self) -> Mapping[int, float]:
        """Durations of jobs by step, in seconds, as far as they are known well."""
        return self._attempts.poller.took_s

    async def run(self) -> None:
        """Run every step that can be run; `state` says how each ended. Call it once.

        Raises:
            Terminated: `stop` was called; the run can be resumed.
            TransientError: the runner cannot be reached any more; the run can be resumed.
            AuthenticationFailed, AccessDenied, RunnerUnusable: no step can be run there.
            RunConflict: another process has taken the run over.
        """
        ready, skipped = self._scheduler.ready()
        for step in skipped:
            self._report_over(step)
        self._queue_steps(ready)
        self._start_ready()
        try:
            await self._tasks.done
            if self._stop_signal is not None:
                await stopping.wait_for_submissions(self._queue)
                if self._config.cancel_on_exit:
                    await stopping.cancel_running_jobs(self._context)
        finally:
            self._attempts.poller.close()
            await self._tasks.close()
            await self._journal.close()
        if self._stop_signal is not None:
            raise Terminated(self._stop_signal)

    def stop(self, signal_number: int) -> None:
        """Start nothing more; `run` raises Terminated soon. Idempotent."""
        if self._stop_signal is None:
            self._stop_signal = signal_number
            self._tasks.finish()

    # --- starts -----------------------------------------------------------------------------

    def _queue_steps(self, ready: Sequence[int]) -> None:
        """Queue steps that may start. Those that an earlier process ran successfully are over."""
        if not self.state.resumed:
            self._queue.ready.extend(ready)
            return
        todo = deque(ready)
        while todo:
            step = todo.popleft()
            if self.state.reuse_success(step):
                todo.extend(self._step_over(step, _SUCCEEDED))
            else:
                self._queue.ready.append(step)

    def _start_soon(self) -> None:
        """Start what is ready in the next iteration of the loop, many steps in one commit."""
        if not self._start_is_planned:
            self._start_is_planned = True
            self._tasks.call_soon(self._start_ready)

    def _start_ready(self) -> None:
        """Start as many steps as the limits allow; their attempts are in the journal before."""
        self._start_is_planned = False
        if self._tasks.done.done():
            return
        batch = self._queue.start_batch(self._scheduler.states)
        if batch:
            self._begin_attempts(batch)
            if self._attempts.submitter.recoverable:
                self._journal.flush_soon()
            else:
                self._journal.flush()
            self._attempts.start(batch)
        elif self._scheduler.finished:
            self._tasks.finish()
        if self._queue.is_blocked:
            self._attempts.poller.watch_all()

    def _begin_attempts(self, steps: Sequence[int]) -> None:
        """Note the attempts in the journal, but those that an earlier process has begun."""
        state, note = self.state, self._journal.note
        for step in steps:
            self._scheduler.started(step)
            if state.continue_attempt(step):
                continue
            note(events.submission_event(step, *state.new_attempt(step)))
            self._observer.started(step)

    def _attempt_submitted(self) -> None:
        self._queue.submitting -= 1
        if self._queue.ready:
            self._start_soon()

    # --- ends -------------------------------------------------------------------------------

    def _attempt_ended(self, step: int, state: StepState, message: str) -> None:
        """Record the end of an attempt: the step is over, unless it is tried again."""
        run, now = self.state, time()
        message = redact(message) if message else ""
        self._queue.running -= 1
        self._journal.note_soon(
            events.end_event(step, run.attempts[step], state, message, run.began[step], now)
        )
        if state is not _SUCCEEDED and self._is_retried(step, state, message):
            return
        run.over[step] = now
        if message:
            run.messages[step] = message
        self._queue_steps(self._step_over(step, state))
        self._start_soon()

    def _is_retried(self, step: int, state: StepState, message: str) -> bool:
        """Whether the step is tried again; then its next attempt is planned."""
        if state is StepState.CANCELLED:
            earlier = self.state.earlier_attempt(step)
            if earlier is None or not earlier.cancelled:
                return False
            self._scheduler.again(step)  # the job was cancelled because the earlier run stopped
            self._retry(step)
            return True
        retries = self._retries.get(step, 0)
        if retries >= self.state.dag.steps[step].retries:
            return False
        self._retries[step] = retries + 1
        self._scheduler.again(step)
        wait_s = min(self._config.retry_delay_s * 2**retries, _LONGEST_RETRY_DELAY_S)
        self._observer.retried(step, message, wait_s)
        self._tasks.call_later(wait_s, self._retry, step)
        return True

    def _retry(self, step: int) -> None:
        self._queue.ready.append(step)
        self._start_soon()

    def _step_over(self, step: int, state: StepState) -> list[int]:
        """Record that a step is over; the steps that may start now."""
        ready, skipped = self._scheduler.ended(step, state)
        self._report_over(step)
        for one in skipped:
            self._report_over(one)
        return ready

    def _report_over(self, step: int) -> None:
        self._observer.ended(step)
        self._attempts.poller.step_over(step)
