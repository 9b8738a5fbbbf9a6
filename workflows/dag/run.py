"""One DAG run from its options to its result: puts engine, client, journal and poller together."""

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
    from workflows.dag.file.model import Dag
    from workflows.dag.options import DagRunOptions

_log = logger("dag")
_ROWS = 1_000
_FAILED = frozenset({StepState.FAILED, StepState.CANCELLED})
_NAMED = 20  # failed steps that an error names


def load_runnable_dag(path: str, params: Mapping[str, str], settings: Settings) -> Dag:
    """The DAG of a file, checked.

    Raises:
        InputError: every mistake of the file; a flow step that cannot be run here.
    """
    from workflows.dag.file import loader  # noqa: PLC0415 - a parser comes with it

    dag = loader.load_dag(path, params)
    choose_flow_runner(dag, settings)
    return dag


def choose_flow_runner(
    dag: Dag, settings: Settings, *, cancel_on_exit: bool = False
) -> FlowRunner | None:
    """What carries out its flow steps; None where there are none.

    Raises:
        SettingsInvalid: they cannot be run as the settings say.
    """
    flows = {step.flow.workflow for step in dag.steps if step.flow is not None}
    if not flows:
        return None
    from workflows.dag.flows import steps as flow_steps  # noqa: PLC0415 - most workflows have none

    return flow_steps.flow_step_runner(flows, settings, cancel_on_exit=cancel_on_exit)


class RunDisplay(StepObserver, Protocol):
    """An observer that is shown the engine before it starts, and the end."""

    def begin(self, engine: Engine, run_id: str) -> None:
        """The run is about to start."""

    def finish(self) -> None:
        """The run is over, however it ended."""


@dataclass(slots=True)
class RunSummary:
    """How a run ended. `counts` by state in lower case; times in seconds."""

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
        """Rows for people: each count, then the failed steps, a thousand at most."""
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
    """A run that has not started; `carry_out` runs it once. `engine` is there while it runs."""

    dag: Dag
    options: DagRunOptions
    settings: Settings
    display: RunDisplay
    engine: Engine | None = None
    run_id: str = ""
    began: float = field(default_factory=time)

    def carry_out(self) -> RunSummary:
        """Run to the end and say how it went; failed steps are no exception.

        Raises:
            WorkflowsError: the run could not begin, or had to stop; it can be resumed.
            Terminated: SIGTERM or SIGINT arrived; it can be resumed.
        """
        options, settings = self.options, self.settings
        where = address.parse_runner_address(options.tr_hostname)
        authorization = auth.choose_authorization(_token(options, settings), where.origin)
        _warn_of_expiry(authorization)
        looks_at = pace(options.poll_interval, settings.check_state_duration_s)
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
                loop.run_until_complete(self._run(where, authorization, opened, looks_at))
            summary = self._summary(monotonic() - began)
            ended = "succeeded" if summary.succeeded else "failed"
        finally:
            opened.journal.close(ended)
            self.display.finish()
        if self.engine is not None:
            steps = self.dag.steps
            took = {steps[step].id: seconds for step, seconds in self.engine.took_s.items()}
            opened.learned.learn(took)
        return summary

    async def _run(
        self,
        where: address.RunnerAddress,
        authorization: auth.Authorization,
        opened: OpenedJournal,
        looks_at: PollIntervals,
    ) -> None:
        options = self.options
        repeat_lost = options.lost_answers is LostAnswers.REPEAT
        transport = ConnectionPool(where, connections=options.connections)
        waiting = ConnectionPool(where, connections=options.connections)
        try:
            client = RunnerClient(
                transport,
                waiting,
                authorization,
                patience=RetryLimits(),
                repeat_lost=repeat_lost,
            )
            await client.discover()
            parts = EngineDependencies(
                client,
                opened.journal,
                looks_at,
                self.display,
                choose_flow_runner(self.dag, self.settings, cancel_on_exit=options.cancel_on_exit),
                opened.record.steps if opened.record else {},
                opened.learned.durations_s,
            )
            rules = EngineConfig(
                max_parallel=options.max_parallel or EngineConfig().max_parallel,
                waiting=options.connections,
                retry_delay_s=self.settings.retry_delay_s,
                cancel_on_exit=options.cancel_on_exit,
                repeat_lost=repeat_lost,
                unique_names=options.job_names is JobNames.UNIQUE,
            )
            engine = self.engine = Engine(self.dag, self.run_id, parts, rules)
            self.display.begin(engine, self.run_id)
            with stopped_by_signals(engine.stop):
                await engine.run()
        finally:
            transport.close()
            waiting.close()

    def _summary(self, duration_s: float) -> RunSummary:
        engine = self.engine
        assert engine is not None  # noqa: S101 - it has run
        states, steps = engine.scheduler.states, self.dag.steps
        failed = [
            {
                "step": steps[number].id,
                "state": state.name.lower(),
                "message": engine.messages.get(number, ""),
            }
            for number, state in enumerate(states)
            if state in _FAILED
        ]
        took = [
            max(0.0, over - began) for began, over in zip(engine.began, engine.over, strict=True)
        ]
        length, path = engine.scheduler.graph.critical_path(took)
        counts = engine.scheduler.counts
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
            reused=engine.reused,
            succeeded=engine.scheduler.succeeded,
        )


def _token(options: DagRunOptions, settings: Settings) -> str | None:
    """The token for the Task Runner, which the redactor knows from now on."""
    given = options.tr_auth_jwt or settings.tr_auth_jwt
    token = given.get_secret_value() if given else None
    if token and token.lower() != "none":
        remember([token])
    return token


def _warn_of_expiry(authorization: auth.Authorization) -> None:
    """A fixed token that has an end: a run that takes longer ends with it."""
    expires_at = getattr(authorization, "expires_at", None)
    if expires_at is None:
        return
    from datetime import UTC, datetime  # noqa: PLC0415

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
