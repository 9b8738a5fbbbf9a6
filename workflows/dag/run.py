"""One DAG run, from its options to its result: creates the engine and what it works with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol

from workflows.core.errors import StepsFailed
from workflows.core.observability import logger
from workflows.core.redaction import remember
from workflows.dag.engine.dependencies import EngineConfig, EngineDependencies, StepObserver
from workflows.dag.engine.engine import Engine
from workflows.dag.engine.event_loop import event_loop, frozen_garbage_collector, stopped_by_signals
from workflows.dag.file.model import fingerprint
from workflows.dag.journal.events import RunHeader
from workflows.dag.journal.stores import OpenedJournal, open_journal
from workflows.dag.options import JobNames, JournalSync, LostAnswers, pace
from workflows.dag.runner import address, auth
from workflows.dag.runner.client import RetryLimits, RunnerClient
from workflows.dag.runner.pool import ConnectionPool
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.core.config.settings import Settings
    from workflows.dag.engine.dependencies import FlowRunner
    from workflows.dag.engine.poll_schedule import PollIntervals
    from workflows.dag.engine.run_state import RunState
    from workflows.dag.file.model import Dag
    from workflows.dag.options import DagRunOptions

_log = logger("dag")
_ROWS = 1_000
_FAILED = frozenset({StepState.FAILED, StepState.CANCELLED})
_NAMED = 20  # failed steps that an error names


def load_runnable_dag(path: str, params: Mapping[str, str], settings: Settings) -> Dag:
    """The DAG of a file, checked, with flows that can be run here.

    Raises:
        InputError: the file has mistakes, or a flow step cannot be run here.
    """
    from workflows.dag.file import loader

    dag = loader.load_dag(path, params)
    choose_flow_runner(dag, settings)
    return dag


def choose_flow_runner(
    dag: Dag, settings: Settings, *, cancel_on_exit: bool = False
) -> FlowRunner | None:
    """What runs the flow steps of this DAG; None if it has none.

    Raises:
        SettingsInvalid: they cannot be run with these settings.
    """
    flows = {step.flow.workflow for step in dag.steps if step.flow is not None}
    if not flows:
        return None
    from workflows.dag.flows import steps as flow_steps

    return flow_steps.flow_step_runner(flows, settings, cancel_on_exit=cancel_on_exit)


class RunDisplay(StepObserver, Protocol):
    """An observer of steps that also sees the run's state before its start, and the run's end."""

    def begin(self, state: RunState, run_id: str, /) -> None:
        """The run is about to start."""

    def finish(self) -> None:
        """The run is over, however it ended."""


@dataclass(slots=True)
class RunSummary:
    """How a run ended. `counts` is by state in lower case, `looks` counts polls; seconds."""

    run_id: str
    name: str
    steps: int
    counts: dict[str, int]
    failed: list[dict[str, str]]
    duration_s: float
    critical_path_s: float
    critical_path: list[str]
    looks: int
    reused: int
    succeeded: bool
    web_url: str | None = None

    def table(self) -> list[dict[str, str]]:
        """Rows for a table: each count, then at most 1,000 failed steps."""
        rows = [
            {"step": "", "state": name, "message": f"{count:,} steps"}
            for name, count in self.counts.items()
        ]
        return rows + self.failed[:_ROWS]

    def error(self) -> StepsFailed:
        """The error that names the failed steps."""
        lines = [f"{one['step']}: {one['state']}: {one['message']}" for one in self.failed]
        skipped = self.counts.get("skipped", 0)
        count = len(self.failed)
        if count > _NAMED:
            lines[_NAMED:] = [f"… and {count - _NAMED} more"]
        if skipped:
            lines.append(f"{skipped} step{'s' if skipped > 1 else ''} below were not run")
        return StepsFailed(
            f"{count} of {self.steps} steps of {self.name} failed",
            why="\n".join(lines),
            fix=f"mend the cause, then go on with --run-id {self.run_id} --resume",
        )


@dataclass(slots=True)
class DagRun:
    """One run; `carry_out` runs it once. `state` is set when the run begins."""

    dag: Dag
    options: DagRunOptions
    settings: Settings
    display: RunDisplay
    state: RunState | None = None
    run_id: str = ""
    began: float = field(default_factory=time)

    def carry_out(self) -> RunSummary:
        """Run all steps; failed steps are in the summary and raise nothing.

        Raises:
            WorkflowsError: the run could not begin, or cannot go on; it can be resumed.
            Terminated: SIGTERM or SIGINT arrived; it can be resumed.
        """
        options, settings = self.options, self.settings
        where = address.parse_runner_address(options.tr_hostname)
        authorization = auth.choose_authorization(_token(options, settings), where.origin)
        _warn_of_expiry(authorization)
        intervals = pace(options.poll_interval, settings.check_state_duration_s)
        self.run_id = options.run_id or settings.given_run_id or os.urandom(6).hex()
        header = RunHeader(
            self.run_id,
            self.dag.name,
            fingerprint(self.dag),
            [step.id for step in self.dag.steps],
            str(where),
            time(),
        )
        opened = open_journal(
            options.journal or "",
            header,
            resume=options.resume,
            durable=options.journal_sync is JournalSync.FULL,
            keep_days=settings.journal_days,
        )
        ended = ""
        began = monotonic()
        try:
            with frozen_garbage_collector(), event_loop() as loop:
                engine = loop.run_until_complete(self._run(where, authorization, opened, intervals))
            summary = self._summary(engine, monotonic() - began)
            ended = "succeeded" if summary.succeeded else "failed"
        finally:
            opened.journal.close(ended)
            self.display.finish()
        steps = self.dag.steps
        opened.learned.learn({steps[step].id: took_s for step, took_s in engine.took_s.items()})
        return summary

    async def _run(
        self,
        where: address.RunnerAddress,
        authorization: auth.Authorization,
        opened: OpenedJournal,
        intervals: PollIntervals,
    ) -> Engine:
        options = self.options
        repeat_lost = options.lost_answers is LostAnswers.REPEAT
        pool = ConnectionPool(where, connections=options.connections)
        long_poll_pool = ConnectionPool(where, connections=options.connections)
        try:
            client = RunnerClient(
                pool,
                long_poll_pool,
                authorization,
                limits=RetryLimits(),
                repeat_lost=repeat_lost,
            )
            await client.discover()
            dependencies = EngineDependencies(
                client,
                opened.journal,
                self.display,
                flow_runner=choose_flow_runner(
                    self.dag, self.settings, cancel_on_exit=options.cancel_on_exit
                ),
                past=opened.record.steps if opened.record else {},
                expected_s=opened.learned.durations_s,
            )
            config = EngineConfig(
                max_parallel=options.max_parallel or EngineConfig().max_parallel,
                max_long_polls=options.connections,
                poll_intervals=intervals,
                retry_delay_s=self.settings.retry_delay_s,
                cancel_on_exit=options.cancel_on_exit,
                repeat_lost=repeat_lost,
                unique_names=options.job_names is JobNames.UNIQUE,
            )
            engine = Engine(self.dag, self.run_id, dependencies, config)
            self.state = engine.state
            self.display.begin(engine.state, self.run_id)
            with stopped_by_signals(engine.stop):
                await engine.run()
            return engine
        finally:
            pool.close()
            long_poll_pool.close()

    def _summary(self, engine: Engine, duration_s: float) -> RunSummary:
        run, steps = engine.state, self.dag.steps
        states = run.scheduler.states
        failed = [
            {
                "step": steps[number].id,
                "state": state.name.lower(),
                "message": run.messages.get(number, ""),
            }
            for number, state in enumerate(states)
            if state in _FAILED
        ]
        took = [max(0.0, over - began) for began, over in zip(run.began, run.over, strict=True)]
        length, path = run.graph.critical_path(took)
        counts = run.scheduler.counts
        return RunSummary(
            run_id=self.run_id,
            name=self.dag.name,
            steps=len(steps),
            counts={state.name.lower(): counts[state] for state in StepState if counts[state]},
            failed=failed,
            duration_s=round(duration_s, 3),
            critical_path_s=round(length, 3),
            critical_path=[steps[number].id for number in path],
            looks=engine.polls,
            reused=run.reused,
            succeeded=run.scheduler.succeeded,
        )


def _token(options: DagRunOptions, settings: Settings) -> str | None:
    """The token for the Task Runner, which the redactor knows from now on."""
    given = options.tr_auth_jwt or settings.tr_auth_jwt
    token = given.get_secret_value() if given else None
    if token and token.lower() != "none":
        remember([token])
    return token


def _warn_of_expiry(authorization: auth.Authorization) -> None:
    """Warn of a fixed token that expires: a longer run fails then."""
    expires_at = getattr(authorization, "expires_at", None)
    if expires_at is None:
        return
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    left_s = expires_at - time()
    if left_s <= 0:
        _log.warning("the token of --tr-auth-jwt has expired at %s", at)
    else:
        _log.warning(
            "the token of --tr-auth-jwt expires at %s, in %.0f minutes; a run that takes longer"
            " fails then (without the flag, Google ID tokens are renewed)",
            at,
            left_s / 60,
        )
