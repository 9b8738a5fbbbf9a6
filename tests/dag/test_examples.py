"""The example DAGs do what their comments say, with real commands behind a real Task Runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import Cli, last_json
from workflows.task_runner import ImageMap, Processes, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGS = Path(__file__).parent.parent.parent / "dags"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[tuple[TaskRunner, str]]:
    """`task-runner serve --backend process` with the images that come with Workflows."""
    served = TaskRunner(Processes(ImageMap.read(Path("demo")), tmp_path / "tasks"))
    with served.serve() as url:
        yield served, url


def dag_run(cli: Cli, name: str, url: str, *flags: str) -> tuple[int, dict[str, Any]]:
    done = cli(
        *("dag", "run", "--dag-path", str(DAGS / name), "--tr-hostname", url),
        *("--tr-auth-jwt", "none", "--json", *flags),
    )
    return done.exit_code, last_json(done)


def test_fork_join_runs_four_real_commands_in_order(
    runner: tuple[TaskRunner, str], cli: Cli
) -> None:
    served, url = runner

    exit_code, outcome = dag_run(cli, "fork_join_dag.yaml", url)

    assert exit_code == 0, outcome
    assert served.ran == {"prepare": 1, "left": 1, "right": 1, "join": 1}
    order = list(served.ran)  # as they were posted
    assert order[0] == "prepare"
    assert set(order[1:3]) == {"left", "right"}
    assert order[3] == "join"


@pytest.mark.parametrize("name", ["simple_dag.yaml", "diamond_retries_dag.yaml"])
def test_the_other_good_ones_succeed(runner: tuple[TaskRunner, str], cli: Cli, name: str) -> None:
    exit_code, outcome = dag_run(cli, name, runner[1])

    assert exit_code == 0, outcome


def test_fork_error_names_the_failed_step_and_ends_the_sound_branch(
    runner: tuple[TaskRunner, str], cli: Cli
) -> None:
    served, url = runner

    exit_code, outcome = dag_run(cli, "fork_error_dag.yaml", url)

    assert exit_code == 1
    assert "broken" in json.dumps(outcome["error"])
    assert served.ran["below-sound"] == 1
    assert served.ran["below-broken"] == 0


def test_a_bad_file_posts_nothing(runner: tuple[TaskRunner, str], cli: Cli, tmp_path: Path) -> None:
    served, url = runner
    (tmp_path / "bad.yaml").write_text("name: x\nsteps:\n  - id: a\n    dependsOn: [b]\n")

    exit_code, _ = dag_run(cli, str(tmp_path / "bad.yaml"), url)

    assert exit_code == 2
    assert not served.ran
