"""A message starts a DAG, whose flow step starts another job, with the roles Terraform gives."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.functions import support
from tests.functions.support import metadata_server, serve_function, until
from tests.support import TOKEN, Remote
from workflows.local import pubsub
from workflows.local.cloud_run import CloudRunServer
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.local.cloud_run.executions import CloudRunExecution

TERRAFORM = Path(__file__).resolve().parents[2] / "infrastructure"
JOBS = {"hello_world": "workflows-hello-world", "run_dag": "workflows-run-dag"}
TRIGGER, RUN_DAG = "ya29.of-the-trigger", "ya29.of-run-dag"
ENDED_S = 60


def given(file: str, what: str) -> list[str]:
    """The roles that a file of Terraform's gives, below `what`."""
    text = (TERRAFORM / file).read_text(encoding="utf-8").partition(what)[2]
    return re.findall(r'"(roles/run\.\w+)"', text.partition("\n}")[0])


STEP_ROLES = given("flow_steps.tf", "flow_step_roles = ")
START_ROLES = given("modules/workflow_job/main.tf", '"executor"')


@dataclass
class Chain:
    """The parts between a message and the branch that a DAG's flow step pushes."""

    cloud: CloudRunServer
    runner: TaskRunner
    runner_url: str
    queue: str
    folder: Path

    def publish(self, git_url: str) -> str:
        """A message for a DAG of a container and then a flow; its id."""
        asked = {"git_url": git_url, "branch": "from-a-dag"}
        first = {"id": "first", "task": {"imageUri": "img"}}
        flow = {"id": "hello", "workflow": "hello_world", "dependsOn": ["first"]}
        steps = [first, {**flow, "parameters": asked}]
        file = self.folder / "dag.json"
        file.write_text(json.dumps({"name": "chain", "steps": steps}))
        parameters = {"dag_path": str(file), "tr_hostname": self.runner_url}
        message = {"workflow": "run_dag", "parameters": parameters}
        return pubsub.publish_bytes(self.queue, support.TOPIC, json.dumps(message).encode())

    def ended(self) -> CloudRunExecution:
        """The execution of run_dag, once it has ended."""
        until(lambda: self.cloud.executions, timeout_s=ENDED_S)
        execution = self.cloud.executions[0]
        self.cloud.wait(execution, ENDED_S)
        assert execution.job.id == JOBS["run_dag"]
        return execution


def environment_of_run_dag(cloud_url: str) -> dict[str, str]:
    """What Terraform sets, and where the stand-in is."""
    return {
        "WORKFLOW_NAME": "run_dag",
        "WORKFLOWS_FLOW_STEPS": "cloud",
        "WORKFLOW_JOBS": json.dumps({"hello_world": JOBS["hello_world"]}),
        "WORKFLOWS_PROJECT": support.PROJECT,
        "WORKFLOWS_REGION": support.REGION,
        "TR_AUTH_JWT": "none",
        "CLOUD_RUN_API": cloud_url,
        "CLOUD_RUN_TOKEN": RUN_DAG,
    }


@pytest.fixture
def chain(tmp_path: Path, staged: Path) -> Iterator[Chain]:
    """Pub/Sub, the trigger function, Cloud Run with two jobs and both accounts, a Task Runner."""
    cloud = CloudRunServer(tmp_path / "cloud", project=support.PROJECT, region=support.REGION)
    runner = TaskRunner(Mock(MockPlan()))
    queue = pubsub.PubSub(tmp_path, kind=pubsub.PubSubKind.STAND_IN)
    with contextlib.ExitStack() as opened:
        run_url = opened.enter_context(cloud.serve())
        runner_url = opened.enter_context(runner.serve())
        queue_url = opened.enter_context(queue.serve())
        cloud.add_job(JOBS["run_dag"], env=environment_of_run_dag(run_url), max_retries=0)
        hello = {"WORKFLOW_NAME": "hello_world", "GIT_TOKEN": TOKEN}
        cloud.add_job(JOBS["hello_world"], env=hello, max_retries=0)
        for job in JOBS.values():
            for role in START_ROLES:
                cloud.grant(TRIGGER, role, job=job)
        for topic in (support.TOPIC, support.DEAD_TOPIC):
            pubsub.create_topic(queue_url, topic)
        env = opened.enter_context(metadata_server(TRIGGER)) | {
            "WORKFLOW_JOBS": json.dumps(JOBS),
            "WORKFLOWS_PROJECT": support.PROJECT,
            "WORKFLOWS_REGION": support.REGION,
            "WORKFLOWS_DEAD_LETTER_TOPIC": support.DEAD_TOPIC,
            "CLOUD_RUN_API": run_url,
            "PUBSUB_EMULATOR_HOST": queue_url.removeprefix("http://"),
        }
        trigger = opened.enter_context(serve_function(staged, "workflow_trigger", env, tmp_path))
        pubsub.create_push_subscription(
            *(queue_url, support.PUSH, support.TOPIC, trigger.url),
            dead_letter_topic=support.DEAD_TOPIC,
            backoff_s=(0.1, 1),
        )
        yield Chain(cloud, runner, runner_url, queue_url, tmp_path)


def test_a_message_starts_a_dag_whose_flow_step_is_an_execution_of_its_own(
    chain: Chain, remote: Remote
) -> None:
    """Message -> trigger -> run_dag's job -> Task Runner, then hello_world's job -> branch."""
    for role in STEP_ROLES:
        chain.cloud.grant(RUN_DAG, role, job=JOBS["hello_world"])

    number = chain.publish(remote.url)
    dag = chain.ended()

    assert dag.state == "succeeded", dag.log()
    assert "from-a-dag" in remote.branches()
    assert chain.runner.ran == {"first": 1}
    _, hello = chain.cloud.executions
    assert (hello.job.id, hello.state) == (JOBS["hello_world"], "succeeded")
    run_id = hello.spec.env["WORKFLOWS_RUN_ID"]
    assert isinstance(run_id, str)
    assert run_id.startswith(f"message-{number}.hello")
    assert RUN_DAG not in dag.log() + hello.log()


@pytest.mark.parametrize("missing", STEP_ROLES)
def test_without_either_role_the_step_fails_and_names_the_permission(
    chain: Chain, missing: str
) -> None:
    """So neither is more than is needed."""
    for role in {"roles/run.invoker", *STEP_ROLES} - {missing}:
        chain.cloud.grant(RUN_DAG, role, job=JOBS["hello_world"])

    chain.publish("https://git.example.com/acme/shop.git")
    dag = chain.ended()

    assert dag.state == "failed"
    assert "cannot be run in Cloud Run" in dag.log()
    assert "Permission 'run." in dag.log()
    assert len(chain.cloud.executions) == 1
