"""From a message to a job and its arguments, against the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workflows.trigger
from tests.trigger.support import briefly
from workflows.cli import catalog as flows
from workflows.trigger import dispatch
from workflows.trigger.dispatch import Catalog, CatalogInvalid, message_run_id
from workflows.trigger.message import MessageRefused, WorkflowMessage

KNOWN = Path(workflows.trigger.__file__).with_name("catalog.json").read_text()
JOBS = {"hello_world": "wf-hello-world", "resolve_issue": "projects/p/locations/r/jobs/wf-resolve"}
CATALOG = Catalog.of(json.dumps(JOBS), KNOWN)


def refused(message: WorkflowMessage) -> str:
    with pytest.raises(MessageRefused) as caught:
        dispatch.dispatch(message, CATALOG)
    return "\n".join(caught.value.findings)


@pytest.mark.parametrize("name", ["resolve_issue", "resolve-issue", "wf-resolve"])
def test_a_workflow_is_found_by_its_name_or_its_jobs(name: str) -> None:
    start = dispatch.dispatch(WorkflowMessage(name, {"issue_url": "https://x/-/issues/1"}), CATALOG)

    assert start.workflow == "resolve_issue"
    assert start.job == "projects/p/locations/r/jobs/wf-resolve"
    assert start.args == ("--issue_url=https://x/-/issues/1",)


def test_an_unknown_workflow_is_told_what_there_is() -> None:
    told = refused(WorkflowMessage("helo_world"))

    assert "did you mean hello_world?" in told
    assert "there is: hello_world, resolve_issue" in told


def test_a_workflow_that_is_not_deployed_is_unknown() -> None:
    assert "there is no workflow 'push_feature'" in refused(WorkflowMessage("push_feature"))


def test_every_wrong_parameter_is_told() -> None:
    told = refused(
        WorkflowMessage(
            "resolve_issue", {"isue_iid": 1, "issue_iid": "one", "labels": {}, "dry_run": 3}
        )
    )

    assert "did you mean issue_iid?" in told
    assert "issue_iid must be a whole number, not this text" in told
    assert "labels must be a list, not an object" in told
    assert "dry_run must be true or false, not a number" in told


def test_a_missing_parameter_is_told() -> None:
    assert (
        refused(WorkflowMessage("hello_world", {"branch": "b"}))
        == "hello_world: git_url is missing"
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"issue_iid": "7"},
        {"issue_iid": 7},
        {"project": 7},
        {"labels": "a,b"},
        {"labels": ["a"]},
        {"closes": "no"},
        {"closes": False},
        {"timeout_s": "1.5"},
        {"timeout_s": 90},
    ],
)
def test_what_a_flag_can_say_is_let_through(parameters: dict[str, object]) -> None:
    assert dispatch.dispatch(WorkflowMessage("resolve_issue", parameters), CATALOG).args


def test_a_workflow_without_known_parameters_is_left_to_its_flow() -> None:
    newer = Catalog.of('{"run_later": "wf-run-later"}', KNOWN)

    assert dispatch.dispatch(WorkflowMessage("run_later", {"any": 1}), newer).args == ("--any=1",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 5}', '{"a": "Bad Job"}', '{"a": ""}'])
def test_a_list_of_jobs_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CatalogInvalid):
        Catalog.of(text, KNOWN)


def test_the_catalogue_file_knows_every_flow_and_parameter() -> None:
    known = json.loads(KNOWN)

    assert list(known) == list(flows.FLOWS)
    for name in flows.FLOWS:
        assert list(known[name]) == list(flows.find(name).parameters.model_fields)


@briefly
@given(st.text(max_size=300), st.dictionaries(st.just("dedupe_key"), st.text(max_size=2_000)))
def test_a_run_id_is_one_that_the_settings_accept(number: str, attributes: dict[str, str]) -> None:
    import re

    found = message_run_id(number, attributes)

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", found)
    assert found == message_run_id(number, attributes)


def test_one_event_in_two_messages_is_one_run() -> None:
    assert message_run_id("1", {"dedupe_key": "k"}) == message_run_id("2", {"dedupe_key": "k"})
    assert message_run_id("1", {}) != message_run_id("2", {})
