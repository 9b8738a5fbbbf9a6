"""Steps that are flows, as executions of Cloud Run Jobs: the stand-in's, which are processes."""

from __future__ import annotations

import json
import sys
import time
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import TOKEN, Cli, Remote, last_json
from workflows.core import process
from workflows.local.cloud_run import CloudRunServer
from workflows.servers.faults import Fault
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOB = "workflows-hello-world"
WAIT = "import pathlib, time\nwhile not pathlib.Path({gate!r}).exists(): time.sleep(0.02)"


class Cloud:
    """A Cloud Run, and `dag run` of one flow step that runs there."""

    def __init__(
        self, run: CloudRunServer, url: str, cli: Cli, runner: TaskRunner, runner_url: str
    ) -> None:
        self.run_ = run
        self.cli = cli
        self.runner = runner
        self.runner_url = runner_url
        self.env = {
            "WORKFLOWS_FLOW_STEPS": "cloud",
            "WORKFLOW_JOBS": json.dumps({"hello_world": JOB}),
            "WORKFLOWS_PROJECT": "demo-project",
            "WORKFLOWS_REGION": "us-central1",
            "CLOUD_RUN_API": url,
        }

    def words(self, git_url: str, *flags: str, **step: Any) -> list[str]:
        first = {"id": "first", "task": {"imageUri": "img"}}
        flow = {"id": "hello", "workflow": "hello_world", "dependsOn": ["first"], **step}
        flow["parameters"] = {"git_url": git_url, "branch": "from-the-cloud"}
        file = self.cli.cwd / "dag.json"
        file.write_text(json.dumps({"name": "test", "steps": [first, flow]}))
        words = ["dag", "run", "--dag-path", str(file), "--tr-hostname", self.runner_url, "--json"]
        return [*words, "--tr-auth-jwt", "none", "--run-id", "r1", *flags]

    def dag_run(
        self, git_url: str, *flags: str, env: dict[str, str] | None = None, **step: Any
    ) -> tuple[int, dict[str, Any]]:
        done = self.cli(*self.words(git_url, *flags, **step), **self.env | (env or {}))
        return done.exit_code, last_json(done)

    def end_early(
        self, git_url: str, *flags: str, when: Callable[[], object], signal: int = SIGKILL
    ) -> None:
        """A run that gets the signal as soon as something holds."""
        words = [sys.executable, "-m", "workflows", *self.words(git_url, *flags)]
        env = self.cli.environment(self.env)
        with process.background(words, env=env, log=self.cli.cwd / "log") as child:
            deadline = time.monotonic() + 30
            while not when():
                assert time.monotonic() < deadline, (self.cli.cwd / "log").read_text()
                time.sleep(0.02)
            child.send_signal(signal)
            child.wait(10)

    def gated(self, gate: Path) -> None:
        """Have the job wait until there is the file `gate`."""
        script = WAIT.format(gate=str(gate))
        self.run_.add_job(JOB, command=[sys.executable, "-c", script])


@pytest.fixture
def cloud(tmp_path: Path, cli: Cli) -> Iterator[Cloud]:
    """A Cloud Run with the job of hello_world, as Terraform makes it."""
    run, runner = CloudRunServer(tmp_path / "cloud", grace_s=0.5), TaskRunner(Mock(MockPlan()))
    env = {"WORKFLOW_NAME": "hello_world", "GIT_TOKEN": TOKEN, "WORKFLOWS_RETRIES": "0"}
    run.add_job(JOB, env=env, max_retries=0)
    with run.serve() as url, runner.serve() as runner_url:
        yield Cloud(run, url, cli, runner, runner_url)


def test_a_flow_step_is_an_execution_of_the_flows_job(remote: Remote, cloud: Cloud) -> None:
    exit_code, outcome = cloud.dag_run(remote.url)

    assert (exit_code, outcome["counts"]) == (0, {"succeeded": 2}), outcome
    assert "from-the-cloud" in remote.branches()
    (execution,) = cloud.run_.executions
    assert execution.job.id == JOB


def test_a_failed_execution_fails_the_step_and_is_named(remote: Remote, cloud: Cloud) -> None:
    exit_code, outcome = cloud.dag_run(f"{remote.base_url}/acme/none.git")

    assert exit_code == 1
    (failed,) = outcome["failed"]
    (execution,) = cloud.run_.executions
    assert failed["step"] == "hello"
    assert failed["message"].startswith(f"the flow hello_world failed in {execution.id}: ")


def test_a_retry_of_the_step_is_another_execution(remote: Remote, cloud: Cloud) -> None:
    remote.server.faults.fail_next = [503]

    exit_code, outcome = cloud.dag_run(remote.url, retries=1)

    assert exit_code == 0, outcome
    assert [one.state for one in cloud.run_.executions] == ["failed", "succeeded"]


def test_killed_during_an_execution_the_resumed_run_goes_on_with_it(
    remote: Remote, cloud: Cloud, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    cloud.gated(gate)
    cloud.end_early(remote.url, when=lambda: cloud.run_.executions)
    gate.touch()

    exit_code, outcome = cloud.dag_run(remote.url, "--resume")

    assert (exit_code, outcome["counts"]) == (0, {"succeeded": 2}), outcome
    assert len(cloud.run_.executions) == 1
    assert cloud.runner.ran == {"first": 1}


@pytest.mark.parametrize("held_s", [0, 1], ids=["followed", "being started"])
def test_stopped_with_the_wish_to_cancel_it_cancels_the_execution_and_resumed_starts_another(
    remote: Remote, cloud: Cloud, tmp_path: Path, held_s: float
) -> None:
    gate = tmp_path / "gate"
    cloud.gated(gate)
    cloud.run_.faults.append(Fault("POST", ":run$", latency_s=held_s, after=True))
    running = lambda: [one for one in cloud.run_.executions if one.state == "running"]  # noqa: E731
    cloud.end_early(remote.url, "--cancel-on-exit", when=running, signal=SIGTERM)
    (first,) = cloud.run_.executions
    assert cloud.run_.wait(first, 30) == "cancelled"
    gate.touch()

    exit_code, outcome = cloud.dag_run(remote.url, "--resume")

    assert (exit_code, outcome["counts"]) == (0, {"succeeded": 2}), outcome
    assert [one.state for one in cloud.run_.executions] == ["cancelled", "succeeded"]


def test_stopped_without_that_wish_the_execution_goes_on(
    remote: Remote, cloud: Cloud, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    cloud.gated(gate)
    cloud.end_early(remote.url, when=lambda: cloud.run_.executions, signal=SIGTERM)
    gate.touch()
    (execution,) = cloud.run_.executions
    assert cloud.run_.wait(execution, 30) == "succeeded"


def test_a_failed_execution_is_followed_by_another_when_the_run_is_resumed(
    remote: Remote, cloud: Cloud
) -> None:
    remote.server.faults.fail_next = [503]
    assert cloud.dag_run(remote.url)[0] == 1

    exit_code, outcome = cloud.dag_run(remote.url, "--resume")

    assert exit_code == 0, outcome
    assert [one.state for one in cloud.run_.executions] == ["failed", "succeeded"]


def test_an_answer_that_is_lost_does_not_start_the_flow_twice(remote: Remote, cloud: Cloud) -> None:
    cloud.run_.faults.append(Fault("POST", ":run$", drop=True, after=True))

    exit_code, outcome = cloud.dag_run(remote.url)

    assert exit_code == 0, outcome
    assert len(cloud.run_.executions) == 1


def test_looks_that_fail_for_a_while_are_repeated(remote: Remote, cloud: Cloud) -> None:
    cloud.run_.faults += [Fault("GET", r"/executions/[^/]+$", status=503) for _ in range(3)]

    exit_code, outcome = cloud.dag_run(remote.url)

    assert exit_code == 0, outcome


def test_an_execution_that_takes_too_long_is_cancelled(
    remote: Remote, cloud: Cloud, tmp_path: Path
) -> None:
    cloud.gated(tmp_path / "never")

    exit_code, outcome = cloud.dag_run(remote.url, timeout="1s")

    assert exit_code == 1
    assert "took longer than 1 s; it is being cancelled" in outcome["failed"][0]["message"]
    (execution,) = cloud.run_.executions
    assert cloud.run_.wait(execution, 30) == "cancelled"


def test_a_job_that_is_not_deployed_fails_the_step(remote: Remote, cloud: Cloud) -> None:
    exit_code, outcome = cloud.dag_run(
        remote.url, env={"WORKFLOW_JOBS": '{"hello_world": "other"}'}
    )

    assert exit_code == 1
    assert "the flow hello_world cannot be run in Cloud Run" in outcome["failed"][0]["message"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"WORKFLOW_JOBS": ""}, "flow steps cannot run in Cloud Run"),
        ({"WORKFLOW_JOBS": '{"push_feature": "x"}'}, "no job for the flow hello_world"),
        ({"WORKFLOWS_REGION": ""}, "it is not known where the job"),
        ({"WORKFLOWS_FLOW_STEPS": "moon"}, "WORKFLOWS_FLOW_STEPS: must be `local` or `cloud`"),
        ({"CLOUD_RUN_API": "http://run.example.com"}, "is no address"),
    ],
)
def test_what_is_not_configured_is_said_before_anything_runs(
    cloud: Cloud, wrong: dict[str, str], words: str
) -> None:
    done = cloud.cli(*cloud.words("https://git.example.com/a.git"), **cloud.env | wrong)

    assert done.exit_code == 2
    assert words in done.stderr
    assert not cloud.runner.ran
