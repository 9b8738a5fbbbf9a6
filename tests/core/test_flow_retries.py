"""Steps that are tried again: which, how often, after how long."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.core.flows import Failing, Greeted, Seen, ended, execution
from workflows.core.config.settings import load
from workflows.core.errors import (
    AccessDenied,
    NetworkError,
    RemoteUnavailable,
    Terminated,
    TimeoutExceeded,
    WorkflowsError,
)
from workflows.core.flow import (
    MAX_RETRY_DELAY_S,
    retry_delays,
)


@pytest.mark.parametrize("kind", [NetworkError, RemoteUnavailable, TimeoutExceeded])
@pytest.mark.parametrize("retries", [0, 1, 4])
def test_a_transient_error_is_tried_again(kind: type[WorkflowsError], retries: int) -> None:
    """A step is called once and then as often as the settings say, no more."""
    step = Failing(kind("not now"))
    seen = Seen()
    settings = load(retries=retries, retry_delay_s=0.0)

    outcome = ended(execution(step.body, settings=settings, seen=seen))

    assert step.calls == 1 + retries
    assert outcome.exit_code == 75
    assert seen.events == [("started", "try"), ("ended", "try", "not now")] * (1 + retries)


def test_a_retry_that_succeeds_ends_the_retries() -> None:
    """The first success is the step's value."""
    step = Failing(NetworkError("not now"), times=2)

    assert execution(step.body).run() == Greeted("after 3")
    assert step.calls == 3


@pytest.mark.parametrize(
    "error", [AccessDenied("no"), ValueError("no"), Terminated(), WorkflowsError("no")]
)
def test_other_errors_are_not_tried_again(error: BaseException) -> None:
    """An error that will not pass, a defect and a signal end the step at once."""
    step = Failing(error)

    ended(execution(step.body, settings=load(retries=5)))

    assert step.calls == 1


@hypothesis_settings(deadline=None, max_examples=100)
@given(retries=st.integers(0, 10), first_s=st.floats(0, 60))
def test_waits_double_and_are_bounded(retries: int, first_s: float) -> None:
    """There is a wait before each retry, twice the one before it, and none is over 30 s."""
    delays = retry_delays(load(retries=retries, retry_delay_s=first_s))

    assert len(delays) == retries
    assert delays[:1] == [min(first_s, MAX_RETRY_DELAY_S)][:retries]
    for before, after in itertools.pairwise(delays):
        assert after == min(2 * before, MAX_RETRY_DELAY_S)


def test_a_retry_waits() -> None:
    """The waits are really waited: 0.05, 0.1 and 0.2 s."""
    step = Failing(NetworkError("not now"), times=3)
    began = time.monotonic()

    execution(step.body, settings=load(retries=3, retry_delay_s=0.05)).run()

    assert time.monotonic() - began >= 0.35
