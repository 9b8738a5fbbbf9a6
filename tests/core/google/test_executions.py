"""How an execution is started, found again by its mark, and judged; as JSON, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.core.google.executions import (
    ExecutionMark,
    execution_outcome,
    marked_execution,
    start_request,
    started_execution,
)

MARK = ExecutionMark("WORKFLOWS_RUN_ID", "r1")


def listed(*executions: Any) -> dict[str, Any]:
    return {"executions": list(executions)}


def execution(name: str, override: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "template": {"containers": [override]}}


def override(mark: ExecutionMark, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = start_request(mark, args)["overrides"]["containerOverrides"][0]
    return found


def test_an_execution_is_found_by_the_mark_it_was_started_with() -> None:
    other = execution("b", override(ExecutionMark(MARK.variable, "r2")))

    assert marked_execution(listed(other, execution("a", override(MARK, "x"))), MARK) == "a"
    assert marked_execution(listed(other), MARK) == ""


@pytest.mark.parametrize("answer", [None, [], {}, {"executions": None}, listed({"name": "x"})])
def test_an_answer_without_such_an_execution_finds_none(answer: Any) -> None:
    assert marked_execution(answer, MARK) == ""


def test_no_variable_of_the_caller_replaces_the_mark() -> None:
    request = start_request(MARK, [], {MARK.variable: "theirs", "A": "b"})

    env = request["overrides"]["containerOverrides"][0]["env"]

    assert {"name": MARK.variable, "value": MARK.value} in env
    assert [one["name"] for one in env].count(MARK.variable) == 1
    assert {"name": "A", "value": "b"} in env


def test_a_job_keeps_its_own_arguments_where_none_are_given() -> None:
    assert override(MARK, "--a=b")["args"] == ["--a=b"]
    assert "args" not in override(MARK)


def test_the_name_of_a_started_execution_is_read_from_the_operation() -> None:
    assert started_execution({"metadata": {"name": "e"}}) == "e"
    assert [started_execution(one) for one in (None, {}, {"metadata": 5})] == ["", "", ""]


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ({"state": "CONDITION_SUCCEEDED"}, "succeeded"),
        ({"state": "CONDITION_FAILED"}, "failed"),
        ({"state": "CONDITION_FAILED", "executionReason": "CANCELLED"}, "cancelled"),
        ({"state": "CONDITION_RECONCILING"}, ""),
    ],
)
def test_the_completed_condition_is_the_outcome(condition: dict[str, str], outcome: str) -> None:
    found = {
        "conditions": [{"type": "Started"}, {"type": "Completed", "message": "m", **condition}]
    }

    assert execution_outcome(found) == (outcome, "m")
    assert execution_outcome({}) == ("", "")
