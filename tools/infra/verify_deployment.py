"""Compares what Terraform says it made with what the project has, and names what is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tools.infra import cloud
from workflows.cli.catalog import FLOWS

if TYPE_CHECKING:
    from collections.abc import Iterator

# how to ask for the policy of a resource, by the word iam_grants names its kind with
_POLICIES = {
    "bucket": ("storage", "buckets", "get-iam-policy", "gs://{name}"),
    "function": ("run", "services", "get-iam-policy", "{name}", "--region={region}"),
    "job": ("run", "jobs", "get-iam-policy", "{name}", "--region={region}"),
    "project": ("projects", "get-iam-policy", "{name}"),
    "repository": ("artifacts", "repositories", "get-iam-policy", "{name}", "--location={region}"),
    "secret": ("secrets", "get-iam-policy", "{name}"),
    "subscription": ("pubsub", "subscriptions", "get-iam-policy", "{name}"),
    "topic": ("pubsub", "topics", "get-iam-policy", "{name}"),
}


def verify_deployment() -> int:
    """Print a line for each thing that is missing; 1 where there is one."""
    deployed = cloud.ready()
    missing = [*_resources(deployed), *_jobs(deployed), *_grants(deployed)]
    for line in missing:
        print(f"missing: {line}")
    for variable in deployed["missing_secrets"]:
        print(f"note: {variable} has no version in secret_versions; nothing is given it")
    if not missing:
        print(
            "complete: topics, subscriptions, functions, jobs, their variables and roles are there"
        )
    return 1 if missing else 0


def _resources(deployed: dict[str, Any]) -> Iterator[str]:
    project = f"--project={deployed['project_id']}"
    for output in ("topic", "dead_letter_topic"):
        if cloud.describe("pubsub", "topics", "describe", deployed[output], project) is None:
            yield f"topic {deployed[output]}"
    for output in ("subscription", "dead_letter_subscription"):
        found = cloud.describe("pubsub", "subscriptions", "describe", deployed[output], project)
        if found is None:
            yield f"subscription {deployed[output]}"
        elif output == "subscription" and "deadLetterPolicy" not in found:
            yield f"dead-letter policy of subscription {deployed[output]}"
    for name in deployed["functions"]:
        region = f"--region={deployed['region']}"
        found = cloud.describe("functions", "describe", name, "--gen2", region, project)
        if found is None or found.get("state") != "ACTIVE":
            yield f"function {name} (state {(found or {}).get('state', 'none')})"


def _jobs(deployed: dict[str, Any]) -> Iterator[str]:
    where = (f"--region={deployed['region']}", f"--project={deployed['project_id']}")
    for workflow in FLOWS:
        job = deployed["job_names"].get(workflow)
        if job is None:
            yield f"job of {workflow}: it has no image; run: make build-and-push infra-apply"
            continue
        found = cloud.describe("run", "jobs", "describe", job, *where)
        if found is None:
            yield f"job {job}"
            continue
        has = _variables(found)
        for name, value in deployed["jobs"][workflow]["environment"].items():
            if has.get(name) != value:
                says = "is not set" if name not in has else "is not what Terraform says"
                yield f"variable {name} of job {job} {says}; run: make infra-apply"


def _variables(job: Any) -> dict[str, str]:
    """The plain environment of a job, wherever the API's version keeps its container."""
    inner = job.values() if isinstance(job, dict) else job if isinstance(job, list) else ()
    found = {}
    if isinstance(job, dict) and isinstance(job.get("containers"), list):
        for variable in job["containers"][0].get("env", []):
            found[variable["name"]] = variable.get("value", "")
    for one in inner:
        found |= _variables(one)
    return found


def _grants(deployed: dict[str, Any]) -> Iterator[str]:
    grants = deployed["iam_grants"]
    for resource in sorted({grant["resource"] for grant in grants}):
        given = _given(resource, deployed)
        for grant in grants:
            wanted = (grant["role"], grant["member"])
            if grant["resource"] == resource and wanted not in given:
                yield f"{grant['role']} for {grant['member']} on {resource}"


def _given(resource: str, deployed: dict[str, Any]) -> set[tuple[str, str]]:
    kind, name = resource.split(" ", 1)
    words = [
        word.format(name=name.rsplit("/", 1)[-1], region=deployed["region"])
        for word in _POLICIES[kind]
    ]
    if kind != "project":
        words.append(f"--project={deployed['project_id']}")
    policy = cloud.describe(*words) or {}
    return {
        (binding["role"], member)
        for binding in policy.get("bindings", [])
        for member in binding["members"]
    }


if __name__ == "__main__":
    sys.exit(cloud.main(verify_deployment))
