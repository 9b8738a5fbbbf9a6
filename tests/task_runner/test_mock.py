"""The mock does what its plan says, the same for the same seed."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.task_runner.conftest import mocked, served
from workflows.core.errors import ParametersInvalid
from workflows.task_runner import Mock, MockPlan, TaskJob, TaskJobState, TaskRunner
from workflows.task_runner.job import JobRequest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.task_runner.conftest import Client


class Clock:
    """A clock that is put forward by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def submitted(runner: TaskRunner, name: str, image: str = "i") -> TaskJob:
    job, _ = runner.jobs.create(JobRequest(name, image))
    runner.backend.start(job)
    return job


def states(
    plan: MockPlan, moments: list[float], *, cancel_at: float | None = None
) -> list[TaskJobState]:
    """The states of one job at these times."""
    clock = Clock()
    runner = TaskRunner(Mock(plan, clock=clock))
    job = submitted(runner, "a")
    found = []
    for moment in moments:
        clock.now = moment
        if moment == cancel_at:
            runner.backend.cancel(job)
        runner.backend.refresh(job)
        found.append(job.state)
    return found


def test_a_job_waits_runs_and_ends_by_the_clock() -> None:
    plan = MockPlan.read(None, queue=1, duration="2")

    assert states(plan, [0, 0.9, 1, 2.9, 3]) == [
        TaskJobState.QUEUED,
        TaskJobState.QUEUED,
        TaskJobState.LOADING,
        TaskJobState.LOADING,
        TaskJobState.SUCCEEDED,
    ]


def test_cancelling_takes_as_long_as_the_plan_says() -> None:
    plan = MockPlan.read(None, duration=10, cancel=2)

    assert states(plan, [1, 2, 3.9, 4, 20], cancel_at=2) == [
        TaskJobState.LOADING,
        TaskJobState.CANCELLING,
        TaskJobState.CANCELLING,
        TaskJobState.CANCELLED,
        TaskJobState.CANCELLED,
    ]


def test_the_first_rule_that_fits_holds(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "seed: 7\n"
        "duration: {median: 1, sigma: 0.5}\n"
        "jobs:\n"
        "- {job: 'load-*', duration: 5, fail_times: 2, message: no disk, exit_code: 28}\n"
        "- {image: 'demo/*', failure_rate: 1}\n"
    )
    plan = MockPlan.read(file, duration="3", seed=None)
    load, demo, other = JobRequest("load-1", "x"), JobRequest("a", "demo/x"), JobRequest("a", "x")

    assert [plan.times(one, 1) for one in (load, demo, other)] == [(0, 5), (0, 3), (0, 3)]
    assert [plan.failure(load, run) for run in (1, 2, 3)] == [
        ("no disk", 28),
        ("no disk", 28),
        None,
    ]
    assert plan.failure(demo, 9) is not None
    assert plan.failure(other, 1) is None
    assert plan.seed == 7


def test_durations_are_log_normal_and_repeatable() -> None:
    plan = MockPlan.read(None, duration="2:1", seed=3)
    orders = [JobRequest(f"job-{n}", "i") for n in range(2_000)]

    first = [plan.times(order, 1)[1] for order in orders]

    assert first == [plan.times(order, 1)[1] for order in orders]
    assert first != [MockPlan.read(None, duration="2:1").times(order, 1)[1] for order in orders]
    assert 1.8 < median(first) < 2.2
    assert 0.13 < sum(one > 2 * 2.718 for one in first) / 2_000 < 0.19  # one sigma above: 16 %


def test_failures_come_at_their_rate_with_message_and_exit_code() -> None:
    plan = MockPlan(failure_rate=0.3, seed=1)
    runner = TaskRunner(Mock(plan))
    jobs = [submitted(runner, f"job-{n}") for n in range(400)]
    for job in jobs:
        runner.backend.refresh(job)

    failed = [job.facts() for job in jobs if job.state is TaskJobState.FAILED]
    assert 90 < len(failed) < 150
    assert all(one["exitCode"] == 1 and "let job-" in str(one["message"]) for one in failed)
    assert len(failed) + sum(job.state is TaskJobState.SUCCEEDED for job in jobs) == 400


def outcomes(client: Client, count: int, *, key: bool = True) -> list[int]:
    """The status of each of so many posts; 0 where the connection broke off."""
    found = []
    for number in range(count):
        try:
            found.append(
                client.post(f"job-{number}", key=f"k{number}" if key else None).status_code
            )
        except httpx.TransportError:
            found.append(0)
    return found


def test_requests_fail_at_their_rates_and_only_lost_ones_are_carried_out() -> None:
    with mocked(error_rate=0.1, drop_rate=0.1, lost_rate=0.1, error_status=503) as client:
        found = outcomes(client, 300)
        faults, ran = client.runner.faults, client.runner.ran.total()

    assert found.count(503) == faults["error"]
    assert found.count(0) == faults["drop"] + faults["lost"]
    assert ran == found.count(200) + faults["lost"]
    assert all(15 < faults[kind] < 50 for kind in ("error", "drop", "lost"))


def test_the_same_seed_lets_the_same_requests_fail() -> None:
    runs = []
    for seed in (1, 1, 2):
        with mocked(error_rate=0.2, drop_rate=0.2, seed=seed) as client:
            runs.append(outcomes(client, 40))

    assert runs[0] == runs[1] != runs[2]


def test_a_lost_answer_is_found_again_by_key_and_by_name() -> None:
    backend = Mock(MockPlan(lost_rate=1))
    with served(TaskRunner(backend)) as client:
        with pytest.raises(httpx.TransportError):
            client.post("a", key="k")
        job = client.runner.jobs.named("a")[0]
        backend.plan = MockPlan()

        assert client.submit("a", key="k") == job.id
        listed = client.http.get("/jobs", params={"job_name": "a"}).json()["jobs"]
        assert [one["jobId"] for one in listed] == [job.id]


def test_a_storm_of_429_comes_and_goes_with_retry_after() -> None:
    with mocked(storm={"every": 5, "length": 3, "retry_after": 0.5}) as client:
        found = outcomes(client, 16)
        stormy = next(a for a in (client.post("a") for _ in range(8)) if a.status_code == 429)

    assert found == ([200] * 5 + [429] * 3) * 2
    assert stormy.headers["retry-after"] == "0.5"


def test_counters_tell_what_really_ran() -> None:
    with mocked(seed=1) as client:
        for _ in range(3):
            client.submit("a")
        client.submit("b", key="k")
        client.submit("b", key="k")

        found = client.http.get("/counters").json()

    assert found["ran"] == {"a": 3, "b": 1} == client.runner.ran
    assert found["requests"]["POST /job"] == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("durations: 1", "durations"),
        ("failure_rate: 2", "failure_rate"),
        ("jobs: [{jobb: a}]", "jobs.0.jobb"),
        ("- 1", "not a mapping"),
        ("a: [", "cannot be read"),
        ("duration: 'x:y'", "duration.median"),
        ("{error_rate: 0.6, lost_rate: 0.6}", "more than 1 together"),
    ],
)
def test_a_wrong_plan_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)

    with pytest.raises(ParametersInvalid) as caught:
        MockPlan.read(file)

    assert words in str(caught.value)


def test_json_is_a_plan_too(tmp_path: Path) -> None:
    plan: dict[str, Any] = {"seed": 4, "storm": {"every": 3, "length": 1}}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))

    assert MockPlan.read(file).storm is not None
