"""Runs are tested on both kinds of Task Runner: `plain` knows the documented protocol only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dag.plain_runner import PlainRunner
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.task_runner.auth import TokenCheck

    AnyRunner = PlainRunner | TaskRunner
    MakeRunner = Callable[..., AnyRunner]


@pytest.fixture(params=["full", "plain"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which kind of Task Runner the test runs against."""
    return str(request.param)


@pytest.fixture
def runner(kind: str) -> MakeRunner:
    """Makes a Task Runner of the test's kind from the values of a mock's plan."""

    def make(*, check: TokenCheck | None = None, **plan: Any) -> AnyRunner:
        mock_plan = MockPlan.model_validate(plan)
        if kind == "plain":
            return PlainRunner(mock_plan, check=check)
        return TaskRunner(Mock(mock_plan), check=check)

    return make
