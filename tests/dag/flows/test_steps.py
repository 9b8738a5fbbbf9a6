"""Steps that are flows, run here: child processes against the embedded git server and GitLab."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import Cli, Remote, last_json
from workflows.core import process
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from subprocess import Popen

    from tests.stack import Stack

TASK = {"imageUri": "img"}


@pytest.fixture
def runner() -> Iterator[tuple[TaskRunner, str]]:
    """A Task Runner for the container steps among the flows."""
    served = TaskRunner(Mock(MockPlan()))
    with served.serve() as url:
        yield served, url


class Runs:
    """`dag run` of a file of these steps, with the environment of `cli`."""

    def __init__(self, cli: Cli, url: str) -> None:
        self.cli = cli
        self.url = url

    def words(self, steps: list[dict[str, Any]], *flags: str) -> list[str]:
        file = self.cli.cwd / "dag.json"
        file.write_text(json.dumps({"name": "test", "steps": steps}))
        words = ["dag", "run", "--dag-path", str(file), "--tr-hostname", self.url, "--json"]
        return [*words, "--tr-auth-jwt", "none", "--run-id", "r1", *flags]

    def run(
        self, steps: list[dict[str, Any]], *flags: str, **env: str
    ) -> tuple[int, dict[str, Any]]:
        done = self.cli(*self.words(steps, *flags), **env)
        return done.exit_code, last_json(done)

    def begin(self, steps: list[dict[str, Any]]) -> AbstractContextManager[Popen[bytes]]:
        words = [sys.executable, "-m", "workflows", *self.words(steps)]
        log = self.cli.cwd / "log"
        return process.background(words, env=self.cli.environment({}), cwd=self.cli.cwd, log=log)


@pytest.fixture
def runs(cli: Cli, runner: tuple[TaskRunner, str]) -> Runs:
    return Runs(cli, runner[1])


def hello(git_url: str, **more: Any) -> dict[str, Any]:
    parameters = {"git_url": git_url, **more.pop("parameters", {})}
    return {"id": "hello", "workflow": "hello_world", "parameters": parameters, **more}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def scratch(cli: Cli) -> list[Path]:
    return list(cli.cwd.glob("workflows-*"))


def test_a_flow_runs_between_tasks_with_templates_in_its_parameters(
    remote: Remote, runs: Runs, runner: tuple[TaskRunner, str]
) -> None:
    parameters = {"branch": "hello-{{ params.month }}"}
    steps = [
        {"id": "before", "task": TASK},
        hello(remote.url, parameters=parameters, dependsOn=["before"]),
        {"id": "after", "dependsOn": ["hello"], "task": TASK},
    ]

    exit_code, outcome = runs.run(steps, "--param", "month=may")

    assert (exit_code, outcome["counts"]) == (0, {"succeeded": 3}), outcome
    assert "hello-may" in remote.branches()
    assert runner[0].ran == {"before": 1, "after": 1}


def test_a_feature_is_pushed_and_its_merge_request_opened(stack: Stack, runs: Runs) -> None:
    runs.cli.env = {**stack.variables, "GIT_TOKEN": stack.variables["GITLAB_TOKEN"]}
    edit = {
        "git_url": f"{stack.url}/{stack.project.path}.git",
        "feature_request": "Set the price",
        "feature_branch": "price",
        "agent_backend": "command",
        "agent_command": stack.agent(),
    }
    propose = {"project": stack.project.path, "source_branch": "price", "labels": ["by-a-dag"]}
    steps = [
        {"id": "edit", "workflow": "push_feature", "parameters": edit},
        {
            "id": "propose",
            "workflow": "gitlab_pull_request",
            "parameters": propose,
            "dependsOn": ["edit"],
        },
    ]

    exit_code, outcome = runs.run(steps)

    assert exit_code == 0, outcome
    (made,) = stack.merge_requests()
    assert (made.source_branch, [label.name for label in made.labels]) == (
        "price",
        ["by-a-dag"],
    )


def test_a_flow_that_fails_fails_its_step_in_its_own_words(remote: Remote, runs: Runs) -> None:
    steps = [
        hello(f"{remote.base_url}/acme/none.git"),
        {"id": "below", "dependsOn": ["hello"], "task": TASK},
    ]

    exit_code, outcome = runs.run(steps)

    assert exit_code == 1
    assert outcome["counts"] == {"failed": 1, "skipped": 1}
    (failed,) = outcome["failed"]
    assert failed["step"] == "hello"
    assert failed["message"].startswith("the flow hello_world ended with exit code 1: ")
    assert "acme/none" in failed["message"]


def test_a_failed_flow_is_tried_again_as_often_as_the_step_says(remote: Remote, runs: Runs) -> None:
    remote.server.faults.fail_next = [503]
    exit_code, outcome = runs.run([hello(remote.url, retries=1)], WORKFLOWS_RETRIES="0")

    assert (exit_code, outcome["counts"]) == (0, {"succeeded": 1}), outcome


def test_null_is_a_parameter_left_out(remote: Remote, runs: Runs) -> None:
    exit_code, outcome = runs.run([hello(remote.url, parameters={"branch": None})])

    assert exit_code == 0, outcome
    assert "hello-world" in remote.branches()


def test_what_the_deployment_gives_the_run_is_not_given_to_its_flows(
    remote: Remote, runs: Runs
) -> None:
    own = {"WORKFLOW_PARAMETERS": '{"tr_hostname": "http://runner"}', "WORKFLOW_NAME": "run_dag"}

    exit_code, outcome = runs.run([hello(remote.url)], **own)

    assert exit_code == 0, outcome


def test_a_flow_that_takes_too_long_is_ended(remote: Remote, runs: Runs) -> None:
    remote.server.faults.latency_s = 60

    exit_code, outcome = runs.run([hello(remote.url, timeout="3s")])

    assert exit_code == 1
    assert (
        outcome["failed"][0]["message"] == "the flow hello_world took longer than 3 s and was ended"
    )
    assert scratch(runs.cli) == []


def slow_feature(remote: Remote, stack_agent: str) -> dict[str, Any]:
    parameters = {
        "git_url": remote.url,
        "feature_request": "Say more",
        "feature_branch": "more",
        "agent_backend": "command",
        "agent_command": stack_agent,
    }
    return {"id": "edit", "workflow": "push_feature", "parameters": parameters}


def gated_agent(folder: Path) -> str:
    """An agent that says `reached`, and edits once there is `go`."""
    script = folder / "agent.py"
    script.write_text(
        "import pathlib, sys, time\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "(folder / 'reached').touch()\n"
        "while not (folder / 'go').exists(): time.sleep(0.02)\n"
        "with open('more.txt', 'a') as file: file.write('more')\n"
    )
    return f"{sys.executable} {script}"


def test_killed_during_a_flow_and_resumed_its_work_is_there_once(
    remote: Remote, runs: Runs, tmp_path: Path
) -> None:
    """The flow outlives the run and pushes; the one of the resumed run finds that done."""
    runs.cli.env["WORKFLOWS_SANDBOX"] = "off"
    steps = [slow_feature(remote, gated_agent(tmp_path))]
    with runs.begin(steps) as child:
        wait_for((tmp_path / "reached").exists)
        child.kill()
        child.wait()
    (tmp_path / "go").touch()
    wait_for(lambda: "more" in remote.branches() and not scratch(runs.cli))

    exit_code, outcome = runs.run(steps, "--resume")

    assert (exit_code, outcome["counts"]) == (0, {"succeeded": 1}), outcome
    assert sorted(remote.branches()) == ["main", "more"]
    assert remote.git("show", "more:more.txt") == "more"


def test_sigterm_lets_the_flow_clean_up(remote: Remote, runs: Runs, tmp_path: Path) -> None:
    runs.cli.env["WORKFLOWS_SANDBOX"] = "off"
    with runs.begin([slow_feature(remote, gated_agent(tmp_path))]) as child:
        wait_for((tmp_path / "reached").exists)
        child.send_signal(signal.SIGTERM)
        exit_code = child.wait(10)

    assert exit_code == 143, (runs.cli.cwd / "log").read_text()
    assert scratch(runs.cli) == []
