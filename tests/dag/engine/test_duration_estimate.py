"""The median of durations by Kaplan and Meier, against the definition in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dag.support import shuffled
from workflows.dag.engine.duration_estimate import DurationEstimate

TIMES = st.lists(st.integers(1, 20), max_size=12)


def estimated(ended: list[float], ages: list[float]) -> DurationEstimate:
    estimate = DurationEstimate()
    for one in ended:
        estimate.add(one)
    estimate.refit(ages)
    return estimate


def exact_median(ended: list[float], ages: list[float]) -> float | None:
    """The first duration that at most half of the jobs survive."""
    surviving = Fraction(1)
    for number, duration in enumerate(sorted(ended)):
        at_risk = len(ended) - number + sum(age >= duration for age in ages)
        surviving *= 1 - Fraction(1, at_risk)
        if surviving <= Fraction(1, 2):
            return duration
    return None


@given(ended=TIMES.filter(bool), ages=TIMES)
def test_the_median_is_that_of_kaplan_and_meier(ended: list[float], ages: list[float]) -> None:
    assert estimated(ended, ages).median_s == exact_median(ended, ages)


@pytest.mark.parametrize("count", [1_000, 1_001, 4_000])
def test_of_many_samples_some_are_enough(count: int) -> None:
    """Only a thousand are kept, each for several; so jobs that run must not weigh more."""
    ended = [float(one) for one in shuffled(list(range(count)), seed=1)]
    ages = [count * 0.4] * (count // 2)

    exact = exact_median(ended, ages)
    found = estimated(ended, ages).median_s

    assert exact is not None
    assert found == pytest.approx(exact, rel=0.05)


def test_there_is_no_median_before_about_half_have_ended() -> None:
    assert estimated([1.0, 2.0], [9.0, 9.0, 9.0]).median_s is None
    assert estimated([1.0, 2.0, 3.0], [9.0, 9.0, 9.0]).median_s == 3.0


def test_five_jobs_make_a_median_that_means_something() -> None:
    estimate = DurationEstimate()

    enough = []
    for _ in range(6):
        estimate.add(1.0)
        enough.append(estimate.has_enough_samples)

    assert enough == [False, False, False, False, True, True]


def test_it_is_time_for_a_new_estimate_after_every_fifth_more_jobs() -> None:
    estimate = DurationEstimate()
    times = []
    for number in range(1, 30):
        if estimate.add(1.0):
            times.append(number)
            estimate.refit([])

    assert times == [1, 2, 3, 4, 5, 7, 9, 11, 14, 17, 21, 26]
