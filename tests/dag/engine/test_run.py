"""Runs against both kinds of Task Runner: in order, no step twice, whatever the network does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dag.running import RecordingDisplay, dag, in_order, layered, run, step
from workflows.core.config.settings import load
from workflows.core.errors import (
    AuthenticationFailed,
    NetworkError,
    RunConflict,
    RunnerUnusable,
    SettingsInvalid,
)
from workflows.dag.file.model import OnFailure, When
from workflows.task_runner.auth import TokenCheck

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dag.engine.conftest import MakeRunner


def test_every_step_runs_once_after_what_it_needs(runner: MakeRunner) -> None:
    what, display, server = layered(200), RecordingDisplay(), runner()
    with server.serve() as url:
        summary = run(what, url, display)
    assert summary.succeeded
    assert summary.counts == {"succeeded": 200}
    assert set(server.ran.values()) == {1}
    assert len(server.ran) == 200
    assert in_order(what, display.order)


def test_storms_of_429_cost_time_but_no_step_runs_twice(runner: MakeRunner) -> None:
    what, display = layered(150), RecordingDisplay()
    server = runner(storm={"every": 60, "length": 20, "retry_after": 0.05})
    with server.serve() as url:
        summary = run(what, url, display)
    assert summary.succeeded, summary.failed[:3]
    assert set(server.ran.values()) == {1}
    assert len(server.ran) == 150
    assert in_order(what, display.order)


def test_lost_answers_run_no_step_twice(runner: MakeRunner, kind: str) -> None:
    """A runner that knows keys is asked again; with a plain one the step fails and says why."""
    what, display = layered(150), RecordingDisplay()
    server = runner(error_rate=0.05, drop_rate=0.02, lost_rate=0.01, seed=3)
    with server.serve() as url:
        summary = run(what, url, display)
    assert set(server.ran.values()) == {1}
    assert in_order(what, display.order)
    if kind == "full":
        assert summary.succeeded, summary.failed[:3]
        assert len(server.ran) == 150
    else:
        assert summary.failed
        unknown = "may or may not have been made"
        assert [one for one in summary.failed if unknown not in one["message"]] == []
        assert summary.counts["succeeded"] <= len(server.ran) < 150


def test_a_failed_step_ends_at_once_with_the_runners_words_and_skips_what_is_below(
    runner: MakeRunner, kind: str
) -> None:
    server = runner(jobs=[{"job": "b", "failure_rate": 1, "message": "disk full"}])
    what = dag(step("a"), step("b", "a"), step("c", "b"), step("d", "a"), step("e", "c"))
    with server.serve() as url:
        summary = run(what, url)
    words = "disk full" if kind == "full" else ""  # a plain runner has no words
    assert not summary.succeeded
    assert summary.failed == [{"step": "b", "state": "failed", "message": words}]
    assert summary.counts == {"succeeded": 2, "failed": 1, "skipped": 2}
    assert "b: failed" in summary.error().why
    assert words in summary.error().why


def test_stop_starts_nothing_more_but_what_is_for_failures(runner: MakeRunner) -> None:
    server = runner(jobs=[{"job": "a", "failure_rate": 1}])
    what = dag(
        step("a"),
        step("slow", "a", when=When.ALWAYS),
        step("after", "slow"),
        step("mend", "a", when=When.ON_FAILURE),
        on_failure=OnFailure.STOP,
    )
    with server.serve() as url:
        summary = run(what, url)
    assert summary.counts == {"succeeded": 2, "failed": 1, "skipped": 1}
    assert set(server.ran) == {"a", "slow", "mend"}


def test_a_step_with_retries_runs_again_until_it_succeeds(runner: MakeRunner) -> None:
    server = runner(jobs=[{"job": "a", "fail_times": 2}])
    with server.serve() as url:
        assert run(dag(step("a", retries=2), step("b", "a")), url).succeeded
    assert server.ran == {"a": 3, "b": 1}


def test_a_step_that_takes_too_long_fails(runner: MakeRunner, kind: str) -> None:
    with runner(duration=5).serve() as url:
        summary = run(dag(step("a", timeout_s=0.2)), url)
    left = "it is being cancelled" if kind == "full" else "the runner cannot cancel it: it goes on"
    assert summary.failed[0]["message"] == f"took longer than 0.2 s; {left}"


def test_the_time_limit_of_an_attempt_that_is_over_does_not_end_the_next(
    runner: MakeRunner,
) -> None:
    """The first attempt fails after 0.4 s; its limit of 0.7 s ends while the second one runs."""
    server = runner(duration=0.4, jobs=[{"job": "a", "fail_times": 1}])
    with server.serve() as url:
        summary = run(dag(step("a", retries=1, timeout_s=0.7)), url, poll_interval=0.02)
    assert summary.succeeded, summary.failed
    assert server.ran == {"a": 2}


def test_the_time_limit_of_a_failed_attempt_does_not_end_the_step_that_waits_for_a_retry(
    runner: MakeRunner,
) -> None:
    server = runner(jobs=[{"job": "a", "fail_times": 1}])
    with server.serve() as url:
        summary = run(dag(step("a", retries=1, timeout_s=0.4)), url, retry_delay_s=1.0)
    assert summary.counts == {"succeeded": 1}
    assert server.ran == {"a": 2}


def test_what_goes_wrong_when_a_step_took_too_long_ends_the_run(runner: MakeRunner) -> None:
    class Broken(RecordingDisplay):
        def ended(self, step: int) -> None:
            raise LookupError(f"nobody knows step {step}")

    with runner(duration=60).serve() as url, pytest.raises(LookupError, match="nobody knows"):
        run(dag(step("a", timeout_s=0.1)), url, Broken())


def test_no_more_than_max_parallel_jobs_run_at_once(runner: MakeRunner) -> None:
    display, server = RecordingDisplay(), runner(duration=0.02)
    with server.serve() as url:
        run(dag(*(step(f"s{n}") for n in range(12))), url, display, max_parallel=3)
    alive = most = 0
    for event, _ in display.order:
        alive += 1 if event == "started" else -1
        most = max(most, alive)
    assert most == 3


def test_a_resumed_run_repeats_failed_steps_only(runner: MakeRunner, tmp_path: Path) -> None:
    server = runner(jobs=[{"job": "b", "fail_times": 1}])
    what = dag(step("a"), step("b", "a"), step("c", "b"))
    options: dict[str, Any] = {"journal": str(tmp_path), "run_id": "r1"}
    with server.serve() as url:
        assert not run(what, url, **options).succeeded
        with pytest.raises(RunConflict, match="there already"):
            run(what, url, **options)
        with pytest.raises(RunConflict, match="another workflow"):
            run(dag(step("a")), url, resume=True, **options)
        summary = run(what, url, resume=True, **options)
    assert summary.succeeded
    assert summary.reused == 1
    assert server.ran == {"a": 1, "b": 2, "c": 1}


def test_a_token_is_sent_and_a_wrong_one_ends_the_run(runner: MakeRunner) -> None:
    server = runner(check=TokenCheck("s3cret-token"))
    with server.serve() as url:
        assert run(dag(step("a")), url, token="s3cret-token").succeeded
    again = runner(check=TokenCheck("s3cret-token"))
    with again.serve() as url, pytest.raises(AuthenticationFailed):
        run(dag(step("a")), url, token="no-such-token-3c1f")


def test_a_runner_that_is_not_there_is_a_network_error() -> None:
    with pytest.raises(NetworkError, match="no connection"):
        run(dag(step("a")), "http://127.0.0.1:9")


def test_another_service_at_the_address_is_an_error() -> None:
    from workflows.servers.serving import serve_app

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"nothing here"})

    with serve_app(app) as url, pytest.raises(RunnerUnusable):
        run(dag(step("a")), url)


@pytest.mark.parametrize(("text", "fixed_s"), [("2.5", 2.5), ("0", 0.05), ("10", 10)])
def test_the_old_variable_fixes_the_interval(
    monkeypatch: pytest.MonkeyPatch, text: str, fixed_s: float
) -> None:
    from workflows.dag.options import pace

    monkeypatch.setenv("WORKFLOW_CHECK_STATE_DURATION_SEC", text)
    assert pace(None, load().check_state_duration_s).fixed_s == fixed_s


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "1e9"])
def test_an_interval_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WORKFLOW_CHECK_STATE_DURATION_SEC", text)
    with pytest.raises(SettingsInvalid):
        load()
