"""The judge of a deployment finds what breaks its promises."""

from __future__ import annotations

from typing import Any

import pytest

from tools.infra.check_state import Resource, findings, resources

ACCOUNT = "serviceAccount:a@p.iam.gserviceaccount.com"


def job(
    name: str, account: str, *, retries: int = 0, version: str = "1", starts: str = "{}"
) -> Resource:
    """A job as Terraform shows it."""
    secret = {"secret_key_ref": [{"secret": "s", "version": version}]}
    task = {
        "service_account": account,
        "max_retries": retries,
        "timeout": "900s",
        "containers": [
            {
                "env": [
                    {"name": "WORKFLOW_NAME", "value": name, "value_source": []},
                    {"name": "WORKFLOW_JOBS", "value": starts, "value_source": []},
                    {"name": "GIT_TOKEN", "value": "", "value_source": [secret]},
                ]
            }
        ],
    }
    values = {"name": name, "template": [{"template": [task]}]}
    return Resource(f"job.{name}", "google_cloud_run_v2_job", values)


def grant(kind: str, role: str, member: str = ACCOUNT) -> Resource:
    """A binding as Terraform shows it."""
    return Resource("grant", f"google_{kind}_iam_member", {"role": role, "member": member})


def may(account: str, role: str, name: str) -> Resource:
    """A role of an account on a job as Terraform shows it."""
    values = {"role": f"roles/run.{role}", "member": f"serviceAccount:{account}", "name": name}
    return Resource("grant", "google_cloud_run_v2_job_iam_member", values)


START, LOOK = "jobsExecutorWithOverrides", "viewer"


def subscription(**values: object) -> Resource:
    """A push subscription as Terraform shows it."""
    good = {
        "push_config": [{"oidc_token": [{"service_account_email": "push@p"}]}],
        "dead_letter_policy": [{}],
        "expiration_policy": [{"ttl": ""}],
    }
    return Resource("subscription", "google_pubsub_subscription", good | values)


def test_a_deployment_that_keeps_its_promises_has_no_findings() -> None:
    good = [
        job("hello_world", "a@p"),
        job("run_dag", "b@p", retries=3, starts='{"hello_world": "hello_world"}'),
        may("b@p", START, "hello_world"),
        may("b@p", LOOK, "hello_world"),
        may("trigger@p", START, "run_dag"),
        grant("pubsub_topic", "roles/pubsub.publisher"),
        grant("storage_bucket", "roles/storage.objectViewer"),
        grant("storage_bucket", "roles/storage.objectUser"),
        subscription(),
    ]

    assert findings(good) == []


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ([job("a", "x@p"), job("b", "x@p")], "no account of its own"),
        ([job("a", "")], "no account of its own"),
        ([job("resolve_issue", "x@p", retries=3)], "tried again"),
        ([job("a", "x@p", version="latest")], "not a number"),
        ([job("d", "d@p", starts='{"a": "a"}'), may("d@p", START, "a")], "starts a without"),
        ([job("d", "d@p"), may("d@p", LOOK, "a")], "viewer on a, which it does not start"),
        ([job("d", "d@p"), may("d@p", START, "d")], "on d, which it does not start"),
        (
            [job("d", "d@p", starts='{"d": "d"}'), may("d@p", START, "d"), may("d@p", LOOK, "d")],
            "starts itself",
        ),
        ([grant("project", "roles/editor")], "not to be given"),
        ([grant("project", "roles/pubsub.publisher")], "not to be given"),
        ([grant("project", "roles/storage.objectUser")], "not to be given"),
        ([grant("pubsub_topic", "roles/pubsub.admin")], "not to be given"),
        ([grant("cloud_run_v2_service", "roles/run.invoker", "allUsers")], "nobody by name"),
        ([grant("project", "roles/storage.objectViewer")], "without a condition"),
        ([subscription(dead_letter_policy=[])], "no dead letters"),
        ([subscription(push_config=[{"oidc_token": []}])], "without an identity"),
        ([subscription(expiration_policy=[])], "expires"),
        ([Resource("v", "google_secret_manager_secret_version", {})], "in the state"),
        ([Resource("f", "any", {"env": {"A": "glpat-0123456789"}})], "looks like a token"),
    ],
)
def test_a_broken_promise_is_found(broken: list[Resource], word: str) -> None:
    found = findings(broken)

    assert len(found) == 1
    assert word in found[0]


def test_resources_of_nested_modules_are_seen() -> None:
    """Those of the data kind are not ours to judge."""
    inner: dict[str, Any] = {
        "resources": [
            {"mode": "managed", "address": "m.a", "type": "t", "values": {}},
            {"mode": "data", "address": "m.b", "type": "t", "values": {}},
        ]
    }
    shown = {"values": {"root_module": {"child_modules": [{"child_modules": [inner]}]}}}

    assert [found.address for found in resources(shown)] == ["m.a"]
