"""resolve_issue and push_feature as a separate Prefect server shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.prefect_server import artifacts_of, query, run_named, tasks_of
from tests.stack import BOT_TOKEN
from tests.support import Cli, last_json

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack import Stack
    from workflows.core.process import Completed
    from workflows.local.gitlab_server.state.model import Issue

_STEPS = 5  # at least: claim, clone, agent, check, push, …
pytestmark = pytest.mark.prefect


def resolve(stack: Stack, issue: Issue, folder: Path, api: str, **more: str) -> Completed:
    """The command as a process of its own, as a Cloud Run Job runs it."""
    command = Cli(folder, stack.variables | {"WORKFLOWS_SANDBOX": "off", "PREFECT_API_URL": api})
    flags = stack.flags(stack.parameters(issue, **more))
    return command("run", "resolve_issue", "--json", "--quiet", *flags)


def title(issue: Issue) -> str:
    return f"acme/shop#{issue.iid}"


def test_a_resolved_issue_is_a_completed_run_with_its_steps_and_a_link(
    stack: Stack, tmp_path: Path, api: str
) -> None:
    issue = stack.issue()

    done = resolve(stack, issue, tmp_path, api)

    assert done.exit_code == 0, done.stderr
    run = run_named(api, title(issue))
    assert run["state_type"] == "COMPLETED"
    assert {one["state_type"] for one in tasks_of(api, run, _STEPS).values()} == {"COMPLETED"}
    link = artifacts_of(api, run)["resolve-issue"]
    assert last_json(done)["result"]["web_url"] in link["data"]


def test_an_issue_that_cannot_be_resolved_is_a_failed_run_that_says_why(
    stack: Stack, tmp_path: Path, api: str
) -> None:
    issue = stack.issue()

    done = resolve(stack, issue, tmp_path, api, code="pass")

    assert done.exit_code != 0
    run = run_named(api, title(issue))
    assert run["state_type"] == "FAILED"
    assert last_json(done)["error"]["what"] in run["state"]["message"]


def test_prefect_is_told_no_secret(stack: Stack, tmp_path: Path, api: str) -> None:
    issue = stack.issue()
    resolve(stack, issue, tmp_path, api)
    run = run_named(api, title(issue))

    logs = query(api, "logs", logs={"flow_run_id": {"any_": [run["id"]]}})
    told = json.dumps([run, logs, artifacts_of(api, run), tasks_of(api, run, _STEPS)])

    assert title(issue) in told
    assert BOT_TOKEN not in told
