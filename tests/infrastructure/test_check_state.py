"""The judge of a deployment finds what breaks its promises."""

from __future__ import annotations

from typing import Any

import pytest

from tools.infra.check_state import Resource, findings, resources

ACCOUNT = "serviceAccount:a@p.iam.gserviceaccount.com"


def job(name: str, account: str, *, retries: int = 0, version: str = "1") -> Resource:
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
                    {"name": "GIT_TOKEN", "value": "", "value_source": [secret]},
                ]
            }
        ],
    }
    values = {"template": [{"template": [task]}]}
    return Resource(f"job.{name}", "google_cloud_run_v2_job", values)


def grant(kind: str, role: str, member: str = ACCOUNT) -> Resource:
    """A binding as Terraform shows it."""
    return Resource("grant", f"google_{kind}_iam_member", {"role": role, "member": member})


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
        job("run_dag", "b@p", retries=3),
        grant("pubsub_topic", "roles/pubsub.publisher"),
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
        ([grant("project", "roles/editor")], "not to be given"),
        ([grant("project", "roles/pubsub.publisher")], "not to be given"),
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
