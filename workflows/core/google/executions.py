"""Executions of Cloud Run jobs as JSON: how one is started, recognised and judged. Pure.

Cloud Run has no idempotency key. So each execution carries an id of ours in an environment variable
(a mark), by which it is found again after a lost answer. The Cloud Functions take this file along
(`functions.staging`): standard library only, and nothing of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE_SIZE = 100
RUN_ID_VARIABLE = "WORKFLOWS_RUN_ID"


class ExecutionMark(NamedTuple):
    """The environment variable that tells which run or job of ours an execution is."""

    variable: str
    value: str


def start_request(
    mark: ExecutionMark, args: Sequence[str], env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The body of `jobs:run`: `args` replace the job's own, `env` and the mark are added."""
    variables = dict(env or {}) | {mark.variable: mark.value}
    override: dict[str, Any] = {
        "env": [{"name": name, "value": value} for name, value in variables.items()]
    }
    if args:
        override["args"] = list(args)
    return {"overrides": {"containerOverrides": [override]}}


def started_execution(operation: Any) -> str:
    """The execution's full name in the answer of `jobs:run`; empty if the answer has none."""
    metadata = operation.get("metadata") if isinstance(operation, dict) else None
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def marked_execution(listed: Any, mark: ExecutionMark) -> str:
    """The full name of the execution with this mark in a list's answer; empty if there is none."""
    if not isinstance(listed, dict):
        return ""
    for execution in listed.get("executions") or []:
        if mark in _environment(execution):
            return str(execution.get("name") or "")
    return ""


def _environment(execution: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Name and value of each environment variable of an execution's containers."""
    for container in (execution.get("template") or {}).get("containers") or []:
        for variable in container.get("env") or []:
            yield variable.get("name"), variable.get("value")


def execution_outcome(execution: Mapping[str, Any]) -> tuple[str, str]:
    """How an execution ended, and why: `succeeded`, `failed` or `cancelled`; empty if it runs."""
    completed: Mapping[str, Any] = next(
        (one for one in execution.get("conditions") or [] if one.get("type") == "Completed"), {}
    )
    message = str(completed.get("message") or "")
    state = completed.get("state")
    if state == "CONDITION_SUCCEEDED":
        return "succeeded", message
    if state == "CONDITION_FAILED":
        cancelled = completed.get("executionReason") == "CANCELLED"
        return ("cancelled" if cancelled else "failed"), message
    return "", message
