"""`make deploy-jobs` and `verify-deployment`, with stand-ins for gcloud and terraform."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workflows.cli.catalog import FLOWS
from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    from workflows.core.process import Completed

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "@sha256:" + "a" * 64
RUN_DAG = "serviceAccount:workflows-run-dag@my-project.iam.gserviceaccount.com"
STEPS = {
    "WORKFLOWS_FLOW_STEPS": "cloud",
    "WORKFLOW_JOBS": '{"hello_world":"workflows-hello-world"}',
}
GCLOUD = """\
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
with (here / "noted").open("a") as noted:
    noted.write(json.dumps(words) + "\\n")
if words[:2] == ["auth", "list"]:
    print("me@example.com")
    sys.exit()
known = json.loads((here / "project.json").read_text())
key = " ".join(words[:4] if words[0] != "functions" else words[:3])
if key not in known:
    sys.exit(f"ERROR: {key} NOT_FOUND")
print(json.dumps(known[key]))
"""
TERRAFORM = """\
import pathlib
print((pathlib.Path(__file__).parent / "outputs.json").read_text())
"""


def job_of(workflow: str) -> str:
    return f"workflows-{workflow.replace('_', '-')}"


@dataclass
class Project:
    """What a project has, as gcloud tells it, and what Terraform says there should be."""

    folder: Path
    has: dict[str, Any]
    outputs: dict[str, Any]

    def run(self, tool: str) -> Completed:
        (self.folder / "project.json").write_text(json.dumps(self.has))
        told = {name: {"value": value} for name, value in self.outputs.items()}
        (self.folder / "outputs.json").write_text(json.dumps(told))
        path = f"{self.folder}:{environment.variable('PATH')}"
        env = environment.whole() | {"PATH": path, "PYTHONPATH": f"{self.folder}:{ROOT}"}
        words = [sys.executable, "-m", f"tools.infra.{tool}"]
        return process.run(words, env=env, cwd=self.folder, timeout_s=60, check=False)

    def noted(self) -> list[list[str]]:
        """Every command line that gcloud was given."""
        return [json.loads(line) for line in (self.folder / "noted").read_text().splitlines()]

    def container(self, workflow: str) -> dict[str, Any]:
        """A job's container, to be changed."""
        job = self.has[f"run jobs describe {job_of(workflow)}"]
        found: dict[str, Any] = job["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One that has everything."""
    shutil.copytree(ROOT / "tools" / "infra", tmp_path / "tools" / "infra")
    for name, text in {"gcloud": GCLOUD, "terraform": TERRAFORM}.items():
        (tmp_path / name).write_text(f"#!{sys.executable}\n{text}")
        (tmp_path / name).chmod(0o755)
    return Project(tmp_path, has(), outputs())


def outputs() -> dict[str, Any]:
    """Terraform's outputs, as far as the tools read them."""
    variables = {flow: {"WORKFLOW_NAME": flow} for flow in FLOWS}
    variables["run_dag"] |= STEPS
    return {
        "project_id": "my-project",
        "region": "europe-west1",
        "topic": "messages",
        "dead_letter_topic": "dead",
        "subscription": "push",
        "dead_letter_subscription": "dead",
        "functions": {"workflows-trigger": "https://trigger.example.com"},
        "job_names": {flow: job_of(flow) for flow in FLOWS},
        "job_images": dict.fromkeys(FLOWS, "workflows"),
        "jobs": {flow: {"environment": variables[flow]} for flow in FLOWS},
        "missing_secrets": [],
        "iam_grants": [
            {"role": role, "member": RUN_DAG, "resource": "job workflows-hello-world"}
            for role in ("roles/run.jobsExecutorWithOverrides", "roles/run.viewer")
        ],
    }


def has() -> dict[str, Any]:
    """What gcloud tells of each."""
    found: dict[str, Any] = {
        "pubsub topics describe messages": {},
        "pubsub topics describe dead": {},
        "pubsub subscriptions describe push": {"deadLetterPolicy": {}},
        "pubsub subscriptions describe dead": {},
        "functions describe workflows-trigger": {"state": "ACTIVE"},
        "run jobs get-iam-policy workflows-hello-world": {
            "bindings": [
                {"role": role, "members": [RUN_DAG]}
                for role in ("roles/run.jobsExecutorWithOverrides", "roles/run.viewer")
            ]
        },
    }
    for flow, facts in outputs()["jobs"].items():
        env = [{"name": name, "value": value} for name, value in facts["environment"].items()]
        env.append({"name": "GIT_TOKEN", "valueFrom": {"secretKeyRef": {"key": "1", "name": "s"}}})
        task = {"spec": {"containers": [{"image": f"workflows{DIGEST}", "env": env}]}}
        spec = {"template": {"spec": {"template": task}}}
        found[f"run jobs describe {job_of(flow)}"] = {"kind": "Job", "spec": spec}
    return found


def test_a_deployment_that_has_everything_is_complete(project: Project) -> None:
    done = project.run("verify_deployment")

    assert (done.exit_code, done.stdout.split(":")[0]) == (0, "complete"), done.stdout + done.stderr


def test_what_run_dag_lacks_for_its_flow_steps_is_named(project: Project) -> None:
    """A variable that is gone, one that is another, a role that was taken away."""
    env = project.container("run_dag")["env"]
    env[:] = [one for one in env if one["name"] != "WORKFLOWS_FLOW_STEPS"]
    next(one for one in env if one["name"] == "WORKFLOW_JOBS")["value"] = "{}"
    project.has["run jobs get-iam-policy workflows-hello-world"]["bindings"].pop()

    done = project.run("verify_deployment")

    assert done.exit_code == 1
    job = "of job workflows-run-dag"
    assert sorted(done.stdout.splitlines()) == [
        f"missing: roles/run.viewer for {RUN_DAG} on job workflows-hello-world",
        f"missing: variable WORKFLOWS_FLOW_STEPS {job} is not set; run: make infra-apply",
        f"missing: variable WORKFLOW_JOBS {job} is not what Terraform says; run: make infra-apply",
    ]


def test_a_job_that_is_not_there_is_named_once(project: Project) -> None:
    del project.has["run jobs describe workflows-run-dag"]

    done = project.run("verify_deployment")

    assert done.stdout.splitlines() == ["missing: job workflows-run-dag"]


def test_deploying_jobs_sets_their_images_and_nothing_else(project: Project) -> None:
    """So that variables and secrets stay what Terraform made them."""
    (project.folder / "build").mkdir()
    images = {"images": {"workflows": f"registry.example.com/workflows{DIGEST}"}}
    (project.folder / "build" / "images.tfvars.json").write_text(json.dumps(images))
    project.has |= {f"run jobs update {job_of(flow)}": {} for flow in FLOWS}

    done = project.run("deploy_jobs")

    assert done.exit_code == 0, done.stderr
    updates = [words for words in project.noted() if words[:3] == ["run", "jobs", "update"]]
    assert sorted(words[3] for words in updates) == sorted(job_of(flow) for flow in FLOWS)
    flags = {word.split("=")[0] for words in updates for word in words[4:]}
    assert flags == {"--image", "--region", "--project", "--quiet"}
