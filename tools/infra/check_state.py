"""Judges a deployment by Terraform's own account of it: `terraform show -json | check_state.py`.

Sees every resource of every module, unlike the outputs the tests in infrastructure/tests look at.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# role => the only resource types that may give it; docs/deploy.md has the reasons
ROLES = {
    "roles/artifactregistry.writer": "google_artifact_registry_repository_iam_member",
    "roles/logging.logWriter": "google_project_iam_member",
    "roles/pubsub.publisher": "google_pubsub_topic_iam_member",
    "roles/pubsub.subscriber": "google_pubsub_subscription_iam_member",
    "roles/run.invoker": "google_cloud_run_v2_service_iam_member",
    "roles/run.jobsExecutorWithOverrides": "google_cloud_run_v2_job_iam_member",
    "roles/run.viewer": "google_cloud_run_v2_job_iam_member",
    "roles/secretmanager.secretAccessor": "google_secret_manager_secret_iam_member",
    "roles/storage.objectUser": "google_storage_bucket_iam_member",
}
# what a job that starts others may do with each of them, and with no other
_STARTER = {"roles/run.jobsExecutorWithOverrides", "roles/run.viewer"}
# the builder's, on condition, and run_dag's on the bucket of DAG files
_READERS = {"google_project_iam_member", "google_storage_bucket_iam_member"}
PUBLIC = {"allUsers", "allAuthenticatedUsers"}
_VERSION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Resource:
    """One managed resource: where it stands, what it is, what it holds."""

    address: str
    kind: str
    values: dict[str, Any]


def resources(shown: dict[str, Any]) -> list[Resource]:
    """Every managed resource of a state or plan, those of all modules."""
    values = shown.get("values") or shown.get("planned_values") or {}
    return list(_of(values.get("root_module", {})))


def findings(found: list[Resource]) -> list[str]:
    """A line for each promise that is not kept."""
    return [
        *_grants(found),
        *_jobs([r for r in found if r.kind == "google_cloud_run_v2_job"]),
        *_flow_steps(found),
        *_secrets(found),
        *_subscriptions([r for r in found if r.kind == "google_pubsub_subscription"]),
    ]


def _of(module: dict[str, Any]) -> Iterator[Resource]:
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield Resource(resource["address"], resource["type"], resource["values"])
    for child in module.get("child_modules", []):
        yield from _of(child)


def _grants(found: list[Resource]) -> Iterator[str]:
    for resource in found:
        if "_iam_" not in resource.kind:
            continue
        role, member = resource.values.get("role"), resource.values.get("member")
        reads = role == "roles/storage.objectViewer"
        if resource.kind not in (_READERS if reads else {ROLES.get(str(role))}):
            yield f"{resource.address}: {role} is not to be given by a {resource.kind}"
        if member in PUBLIC or member is None:
            yield f"{resource.address}: {member} is nobody by name"
        on_project = resource.kind == "google_project_iam_member"
        if reads and on_project and not resource.values.get("condition"):
            yield f"{resource.address}: reads every bucket without a condition"


def _jobs(found: list[Resource]) -> Iterator[str]:
    accounts: set[str] = set()
    for job in found:
        task = job.values["template"][0]["template"][0]
        environment = _environment(job)
        account = task["service_account"]
        if not account or account in accounts:
            yield f"{job.address}: has no account of its own ({account})"
        accounts.add(account)
        if task["max_retries"] != 0 and environment.get("WORKFLOW_NAME") != "run_dag":
            yield f"{job.address}: pushes, and is tried again {task['max_retries']} times"
        if not task["timeout"]:
            yield f"{job.address}: names no time limit"


def _flow_steps(found: list[Resource]) -> Iterator[str]:
    """A job's account may start the jobs its WORKFLOW_JOBS names, and nothing else."""
    for job in found:
        if job.kind != "google_cloud_run_v2_job":
            continue
        account = job.values["template"][0]["template"][0]["service_account"]
        wanted = {
            (name, role)
            for name in json.loads(_environment(job).get("WORKFLOW_JOBS") or "{}").values()
            for role in _STARTER
        }
        given = {
            (str(one.values.get("name")), str(one.values.get("role")))
            for one in found
            if one.kind == "google_cloud_run_v2_job_iam_member"
            and one.values.get("member") == f"serviceAccount:{account}"
        }
        for name, role in sorted(wanted - given):
            yield f"{job.address}: starts {name} without {role}"
        for name, role in sorted(given - wanted):
            yield f"{job.address}: has {role} on {name}, which it does not start"
        if any(name == job.values.get("name") for name, _ in wanted):
            yield f"{job.address}: starts itself"


def _environment(job: Resource) -> dict[str, str]:
    task = job.values["template"][0]["template"][0]
    return {e["name"]: e["value"] for e in task["containers"][0]["env"]}


def _secrets(found: list[Resource]) -> Iterator[str]:
    for resource in found:
        if resource.kind == "google_secret_manager_secret_version":
            yield f"{resource.address}: the value of a secret is in the state"
        for path, value in _leaves(resource.values):
            if path.endswith(("secret_key_ref.version", "secret_environment_variables.version")):
                if not _VERSION.fullmatch(str(value)):
                    yield f"{resource.address}: {path} is {value}, not a number"
            elif isinstance(value, str) and _is_secret(value):
                yield f"{resource.address}: {path} looks like a token"


def _is_secret(value: str) -> bool:
    forms = r"glpat-|gh[pousr]_|sk-[A-Za-z0-9]{8}|AKIA[0-9A-Z]{8}|-----BEGIN|AIza"
    return re.search(forms, value) is not None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


def _subscriptions(found: list[Resource]) -> Iterator[str]:
    for subscription in found:
        values = subscription.values
        pushes = bool(values["push_config"])
        if pushes and not values["dead_letter_policy"]:
            yield f"{subscription.address}: has no dead letters"
        if pushes and not values["push_config"][0]["oidc_token"]:
            yield f"{subscription.address}: pushes without an identity"
        if not any(policy["ttl"] == "" for policy in values["expiration_policy"]):
            yield f"{subscription.address}: expires when it is quiet"


def main() -> int:
    """Read what Terraform shows from stdin and print the findings; 1 where there is one."""
    found = resources(json.load(sys.stdin))
    wrong = findings(found)
    for line in wrong:
        print(line)
    print(f"{len(found)} resources, {len(wrong)} findings")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
