"""When jobs are polled, in simulated runs: what holds for any value of the constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core.config.settings import load
from workflows.dag.engine.duration_estimate import DurationEstimate
from workflows.dag.engine.poll_schedule import PollIntervals, PollSchedule
from workflows.dag.engine.scheduler import StepGraph
from workflows.dag.engine.watch_targets import LevelSlack, WatchTargets
from workflows.dag.options import pace

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOON_S = 1e-6  # sums of floats
_SECONDS = st.floats(0.01, 60) | st.floats(0.01, 0.5)
_quick = settings(max_examples=50, deadline=None)


@dataclass(frozen=True)
class Made:
    """A job of a simulated run: when it starts and how long it takes, in seconds."""

    start: float
    takes: float
    kind: int
    watched: bool


@dataclass
class Seen:
    """The times of the polls of each job, its start first, and the times of the ends seen."""

    polls: dict[int, list[float]] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)


_MADE = st.builds(Made, st.floats(0, 60), _SECONDS, st.integers(0, 2), st.booleans())
_RUNS = st.lists(_MADE, min_size=1, max_size=8)


@st.composite
def _paces(draw: st.DrawFn) -> PollIntervals:
    floor_s = draw(st.sampled_from([0.0, 0.05, 2.0]))
    return PollIntervals(base_s=draw(st.floats(0.2, 20)), floor_s=floor_s, ceiling_s=floor_s + 20)


def simulate(jobs: list[Made], how: PollIntervals, *, watch: bool = True) -> Seen:
    """Poll these jobs to their ends when the schedule says; requests take no time."""
    schedule, seen = PollSchedule(how), Seen()
    starts = sorted(range(len(jobs)), key=lambda job: jobs[job].start)
    while len(seen.ended) < len(jobs):
        at = schedule.next_at()
        if starts and (at is None or jobs[starts[0]].start <= at):
            job = starts.pop(0)
            one = jobs[job]
            watched = one.watched or not watch
            probe = schedule.polls_at_once(one.kind)
            begin = (job, one.start, one.start)
            schedule.started(*begin, kind=one.kind, watched=watched, probe=probe)
            seen.polls[job] = [one.start]
            continue
        assert at is not None, "a job runs and no poll of it is planned"
        job_at = schedule.take(at)
        assert job_at is not None
        seen.polls[job_at].append(at)
        if at >= jobs[job_at].start + jobs[job_at].takes:
            schedule.ended(job_at, at)
            seen.ended[job_at] = at
        else:
            schedule.alive(job_at, at)
    return seen


def gaps(seen: Seen) -> list[float]:
    return [after - before for times in seen.polls.values() for before, after in pairwise(times)]


@_quick
@given(_RUNS, _paces())
def test_every_job_is_polled_until_it_has_ended(jobs: list[Made], how: PollIntervals) -> None:
    seen = simulate(jobs, how)

    assert set(seen.ended) == set(range(len(jobs)))


@_quick
@given(_RUNS, _paces())
def test_no_interval_is_longer_than_the_ceiling(jobs: list[Made], how: PollIntervals) -> None:
    assert max(gaps(simulate(jobs, how))) <= how.ceiling_s + _SOON_S


@_quick
@given(_RUNS, _paces())
def test_no_interval_is_shorter_than_the_floor(jobs: list[Made], how: PollIntervals) -> None:
    assert min(gaps(simulate(jobs, how))) >= how.floor_s - _SOON_S


@_quick
@given(_RUNS, st.floats(0.5, 30))
def test_a_fixed_interval_is_kept_whatever_is_known(jobs: list[Made], fixed_s: float) -> None:
    how = PollIntervals(fixed_s=fixed_s, floor_s=fixed_s)

    found = gaps(simulate(jobs, how))
    assert found == pytest.approx([fixed_s] * len(found))


@pytest.mark.parametrize("text", ["10", "2.5", "0.2"])
def test_the_old_variable_fixes_every_interval(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WORKFLOW_CHECK_STATE_DURATION_SEC", text)
    jobs = [Made(0, 25, 0, watched=True), Made(3, 0.1, 0, watched=False)]

    found = gaps(simulate(jobs, pace(None, load().check_state_duration_s)))

    assert found == pytest.approx([float(text)] * len(found))


@_quick
@given(_RUNS, _paces())
def test_the_end_of_a_job_that_is_no_watch_target_is_seen_within_the_ceiling(
    jobs: list[Made], how: PollIntervals
) -> None:
    seen = simulate(jobs, how)

    late = [seen.ended[job] - one.start - one.takes for job, one in enumerate(jobs)]
    assert max(late) <= how.ceiling_s + _SOON_S


@_quick
@given(_SECONDS, st.floats(0.2, 5))
def test_jobs_that_are_no_watch_targets_are_polled_up_to_three_times_as_rarely(
    takes: float, base_s: float
) -> None:
    """A failure of such a job is seen at most `SLOW` times as late."""
    from workflows.dag.engine.poll_schedule import SLOW

    how = PollIntervals(base_s=base_s, ceiling_s=1e9)
    known = [Made(0, takes, 0, watched=True)] * 3
    jobs = [*known, Made(4_000, takes, 0, watched=False)]

    seen, close = simulate(jobs, how), simulate(jobs, how, watch=False)

    widest = max(after - before for before, after in pairwise(seen.polls[3]))
    closest = max(after - before for before, after in pairwise(close.polls[3]))
    # intervals grow at most in proportion to a job's age, and this job may be a little older
    older = takes / (takes - closest) if closest < takes else 1.0
    assert widest <= SLOW * closest * older + _SOON_S


@_quick
@given(_paces(), st.floats(0, 400))
def test_a_new_watch_target_is_polled_at_once(how: PollIntervals, at: float) -> None:
    schedule = PollSchedule(how)
    schedule.started(0, 0.0, 0.0, kind="a", watched=False)
    schedule.watch(0, at, poll=True)

    due = schedule.next_at()
    assert due is not None
    assert due <= max(at, _SOON_S)


def test_jobs_started_with_one_that_took_no_time_are_polled_soon() -> None:
    """Nothing is known of them; but they may have taken no time either."""
    schedule = PollSchedule(PollIntervals())
    assert schedule.polls_at_once("image")
    for job in range(1, 20):
        schedule.started(job, 0.0, 0.0, kind="image")
    assert schedule.next_at() == pytest.approx(PollIntervals().base_s)

    schedule.learn("image", 0.001)

    due = schedule.next_at()
    assert due is not None
    assert due < 0.01


def test_one_job_that_ends_at_once_does_not_make_polls_of_long_ones_frequent() -> None:
    jobs = [Made(0, 600, 0, watched=True) for _ in range(8)]
    schedule, polls, now = PollSchedule(PollIntervals()), 0, 0.0
    assert schedule.polls_at_once(0)
    for job, one in enumerate(jobs):
        schedule.started(job, 0.0, 0.0, kind=one.kind)
    schedule.learn(0, 0.001)
    while now < 600:
        at = schedule.next_at()
        assert at is not None
        now, job_at = at, schedule.take(at)
        assert job_at is not None
        schedule.alive(job_at, now)
        polls += 1

    assert polls < 300 * len(jobs)  # every second would be 600 for each


@_quick
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=300))
def test_typical_is_the_median_where_all_have_ended(durations_s: list[float]) -> None:
    estimate = DurationEstimate()
    for duration_s in durations_s:
        estimate.add(duration_s)
    estimate.refit([])

    assert estimate.median_s == median_low(durations_s)


@_quick
@given(st.integers(1, 50), st.data())
def test_a_median_is_not_known_before_half_of_the_jobs_have_ended(
    ended: int, data: st.DataObject
) -> None:
    """Running jobs count with their age, since short jobs end first."""
    running = data.draw(st.integers(ended + 1, 4 * ended + 1))
    estimate = DurationEstimate()
    for _ in range(ended):
        estimate.add(1.0)

    estimate.refit([2.0] * running)
    assert estimate.median_s is None
    estimate.refit([2.0] * (ended - 1))
    assert estimate.median_s == pytest.approx(1.0)


def test_a_median_of_very_many_is_found_from_some_of_them() -> None:
    estimate = DurationEstimate()
    for number in range(100_000):
        estimate.add(1.0 + number % 1_000)
    estimate.refit([])

    assert estimate.median_s == pytest.approx(500, rel=0.05)


@st.composite
def _graphs(draw: st.DrawFn) -> StepGraph:
    count = draw(st.integers(1, 15))
    return StepGraph(
        [
            tuple(draw(st.lists(st.integers(0, step - 1), unique=True, max_size=4)) if step else ())
            for step in range(count)
        ]
    )


@_quick
@given(_graphs(), st.data())
def test_a_step_has_slack_for_each_level_that_others_have_more(
    graph: StepGraph, data: st.DataObject
) -> None:
    below = [0] * graph.size
    for step in reversed(graph.order):
        for need in graph.dependencies[step]:
            below[need] = max(below[need], below[step] + 1)
    ended = bytearray(graph.size)
    slack = LevelSlack(graph, ended)
    for step in data.draw(st.permutations(range(graph.size))):
        left = [below[one] for one in range(graph.size) if not ended[one]]
        assert slack.levels(step) == max(left) - below[step]
        ended[step] = 1


def _wide(first: int, second: int) -> StepGraph:
    """Some steps, and others that wait for all of these: room for a wide fan-out."""
    return StepGraph([()] * first + [tuple(range(first))] * second)


def _orders(graph: StepGraph, data: st.DataObject, choice: int) -> Iterator[int]:
    """The steps, each after its dependencies: one of the first `choice` that can be next."""
    ended: set[int] = set()
    waiting = list(range(graph.size))
    while waiting:
        free = [step for step in waiting if ended.issuperset(graph.dependencies[step])]
        step = free[data.draw(st.integers(0, min(choice, len(free)) - 1))]
        waiting.remove(step)
        ended.add(step)
        yield step


@_quick
@given(_graphs(), st.data())
def test_each_waiting_step_has_a_watch_target_that_has_not_ended(
    graph: StepGraph, data: st.DataObject
) -> None:
    """This holds in any order of ends, and for the end of the run."""
    ended = bytearray(graph.size)
    targets = WatchTargets(graph)
    for step in _orders(graph, data, graph.size):
        ended[step] = 1
        targets.step_over(step)
        for below, needs in enumerate(graph.dependencies):
            left = [need for need in needs if not ended[need]]
            assert not left or ended[below] or any(map(targets.is_target, left))
        sinks = [one for one in range(graph.size) if not graph.dependents[one] and not ended[one]]
        assert not sinks or any(map(targets.is_target, sinks))


@settings(max_examples=150, deadline=None)
@given(_graphs() | st.builds(_wide, st.integers(15, 50), st.integers(1, 3)), st.data())
def test_postponed_ends_change_no_result(graph: StepGraph, data: st.DataObject) -> None:
    """At any call the result is the same as if every end had been processed at once."""
    at_once, later = WatchTargets(graph), WatchTargets(graph)
    acts = st.sampled_from(["later", "later", "now", "is_target", "alive"])
    for step in _orders(graph, data, 3):
        found = at_once.step_over(step)
        act = data.draw(acts)
        if act == "now":
            assert later.step_over(step) == found
            continue
        later.step_over_later(step)
        one = min(step + 1, graph.size - 1)  # it may be a target
        if act == "is_target":
            assert later.is_target(one) == at_once.is_target(one)
        elif act == "alive":
            later.alive(one)
            at_once.alive(one)
    assert [*map(later.is_target, range(graph.size))] == [
        *map(at_once.is_target, range(graph.size))
    ]
