"""run_dag under a real Prefect server: one flow run, a bar, a table and a report, however large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dag.running import dag, layered, step, write
from tests.prefect_server import artifacts_of, query, run_named, tasks_of, wait_for
from tests.support import Cli, last_json
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core import process
    from workflows.dag.file.model import Dag

pytestmark = pytest.mark.prefect


class Shown:
    """Runs workflow files with the `workflows` command, and finds them again in Prefect."""

    def __init__(self, cli: Cli, api: str, folder: Path) -> None:
        self.cli = cli
        self.api = api
        self.folder = folder

    def run(self, what: Dag, url: str, *flags: str) -> process.Completed:
        """`dag run` of the workflow under the name `title` that the run has in Prefect."""
        file = write(self.folder, what)
        words = ("--dag-path", str(file), "--tr-hostname", url, "--tr-auth-jwt", "none", "--json")
        return self.cli("dag", "run", *words, *flags, PREFECT_API_URL=self.api)

    def runs(self) -> list[dict[str, Any]]:
        """The flow runs of this test's file, by its name."""
        return query(self.api, "flow_runs", flow_runs={"name": {"any_": [self.title]}})

    def newest(self) -> dict[str, Any]:
        """The last one, when it has ended."""
        return run_named(self.api, self.title)

    @property
    def title(self) -> str:
        """The file's name."""
        return f"{self.folder.name}.json"


@pytest.fixture
def shown(cli: Cli, api: str, tmp_path: Path) -> Shown:
    return Shown(cli, api, tmp_path)


def server(**plan: object) -> TaskRunner:
    return TaskRunner(Mock(MockPlan.model_validate(plan)))


def test_a_run_is_one_completed_flow_run_with_bar_table_and_report(shown: Shown) -> None:
    runner = server()
    with runner.serve() as url:
        done = shown.run(dag(step("a"), step("b", "a")), url, "--run-id", "r-seen")

    assert done.exit_code == 0, done.stderr
    (run,) = shown.runs()
    assert shown.newest()["state_type"] == "COMPLETED"
    found = artifacts_of(shown.api, run)
    assert sorted(found) == ["dag-progress", "dag-report", "dag-steps"]
    assert found["dag-progress"]["data"] == 100
    assert '"2 steps"' in found["dag-steps"]["data"]
    assert "| run | r-seen |" in found["dag-report"]["data"]
    assert "`a` → `b`" in found["dag-report"]["data"]


def test_a_failed_step_fails_the_flow_run_and_is_named_there(shown: Shown) -> None:
    runner = server(jobs=[{"job": "broken", "failure_rate": 1, "message": "disk full"}])
    with runner.serve() as url:
        done = shown.run(dag(step("fine"), step("broken"), step("below", "broken")), url)

    assert done.exit_code == 1
    run = shown.newest()
    assert run["state_type"] == "FAILED"
    assert "broken: failed: disk full" in run["state"]["message"]
    found = artifacts_of(shown.api, run)
    assert "### `broken`: failed\n\n    disk full\n" in found["dag-report"]["data"]
    assert "broken" in found["dag-steps"]["data"]


def test_a_thousand_steps_cost_prefect_no_more_than_a_hundred_and_some_rows(shown: Shown) -> None:
    runner = server()
    with runner.serve() as url:
        done = shown.run(layered(1_000, width=50), url)

    assert done.exit_code == 0, done.stderr
    run = shown.newest()
    by_run: dict[str, Any] = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
    assert len(artifacts_of(shown.api, run)) == 3
    wait_for(lambda: any("Finished in" in x["message"] for x in query(shown.api, "logs", **by_run)))
    assert tasks_of(shown.api, run, 0) == {}
    assert len(query(shown.api, "logs", **by_run)) < 200


def test_a_run_is_resumed_under_its_id(shown: Shown) -> None:
    runner = server(jobs=[{"job": "b", "fail_times": 1}])
    what = dag(step("a"), step("b", "a"))
    with runner.serve() as url:
        first = shown.run(what, url, "--run-id", "again")
        second = shown.run(what, url, "--run-id", "again", "--resume")

    assert (first.exit_code, second.exit_code) == (1, 0), second.stderr
    assert runner.ran == {"a": 1, "b": 2}
    assert last_json(second)["result"]["run_id"] == "again"
    assert sorted(one["state_type"] for one in shown.runs()) == ["COMPLETED", "FAILED"]
