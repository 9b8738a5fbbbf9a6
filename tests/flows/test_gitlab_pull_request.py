"""gitlab_pull_request end to end: the one merge request of a branch, made or brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import Cli, last_json
from workflows.core.config.settings import load
from workflows.core.flow import FlowState
from workflows.local.gitlab_server.server import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack import Stack
    from workflows.core.flow import FlowOutcome


def make_branch(stack: Stack, name: str = "12-fix-the-total") -> None:
    repository = stack.project.repository
    repository.set_branch(name, repository.resolve("main") or "")


def run(stack: Stack, **values: Any) -> FlowOutcome:
    given = {"project": "acme/shop", "source_branch": "12-fix-the-total"} | values
    return stack.run("gitlab_pull_request", given, settings=load())


def result(outcome: FlowOutcome) -> dict[str, Any]:
    assert outcome.state is FlowState.SUCCEEDED, outcome.message
    assert outcome.result is not None
    return outcome.result


def test_it_opens_one_with_everything_asked_for(stack: Stack) -> None:
    make_branch(stack)

    done = result(
        run(
            stack,
            title="Fix it",
            description="All of it.",
            draft=True,
            labels=["bug", "soon"],
            assignees=["dave"],
            reviewers=["@mona"],
            remove_source_branch=True,
            squash=True,
        )
    )

    (made,) = stack.merge_requests()
    assert done == {
        "web_url": f"{stack.url}/acme/shop/-/merge_requests/1",
        "iid": 1,
        "source_branch": "12-fix-the-total",
        "target_branch": "main",
        "created": True,
    }
    assert made.title == "Draft: Fix it"
    assert made.description == "All of it."
    assert [label.name for label in made.labels] == ["bug", "soon"]
    assert made.assignees == [stack.people["dave"]]
    assert made.reviewers == [stack.people["mona"]]
    assert made.squash is True


def test_a_second_run_finds_it_and_changes_what_differs(stack: Stack) -> None:
    make_branch(stack)
    first = result(run(stack, title="Fix it", description="Old."))

    second = result(run(stack, title="Fix it well"))

    (made,) = stack.merge_requests()
    assert second == first | {"created": False}
    assert made.title == "Fix it well"
    assert made.description == "Old."  # what is not given stays


def test_the_branchs_name_in_words_is_the_title(stack: Stack) -> None:
    make_branch(stack)
    result(run(stack))

    assert stack.merge_requests()[0].title == "12 fix the total"


def test_a_run_without_a_title_leaves_a_persons_title(stack: Stack) -> None:
    make_branch(stack)
    result(run(stack, title="By a person"))
    result(run(stack, labels=["bug"]))

    assert stack.merge_requests()[0].title == "By a person"


@pytest.mark.parametrize("project", ["{id}", "{url}/acme/shop", "{url}/acme/shop.git", "acme/shop"])
def test_a_project_by_id_path_or_page(stack: Stack, project: str) -> None:
    make_branch(stack)

    given = project.format(id=stack.project.id, url=stack.url)

    assert result(run(stack, project=given))["iid"] == 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"source_branch": "absent"}, "BranchNotFound"),
        ({"target_branch": "12-fix-the-total"}, "BranchRefused"),
        ({"project": "acme/absent"}, "ResourceNotFound"),
        ({"reviewers": ["nobody-here"]}, "ParametersInvalid"),
    ],
)
def test_what_cannot_be_is_one_clear_error(stack: Stack, values: dict[str, Any], kind: str) -> None:
    make_branch(stack)

    outcome = run(stack, **values)

    assert outcome.error is not None
    assert outcome.error["type"] == kind
    assert stack.merge_requests() == []


def test_a_lost_answer_makes_no_second_one(stack: Stack) -> None:
    make_branch(stack)
    stack.lab.fault_rules.append(Fault("POST", r"/merge_requests$", drop=True, after=True))

    result(run(stack))

    assert len(stack.merge_requests()) == 1


def test_settings_that_are_missing_are_named(tmp_path: Path) -> None:
    done = Cli(tmp_path)("run", "gitlab_pull_request", "--project=a/b", "--source-branch=x")

    assert done.exit_code == 2
    assert "GITLAB_URL" in done.stderr
    assert "GITLAB_TOKEN" in done.stderr


def test_the_command_prints_its_address(stack: Stack, tmp_path: Path) -> None:
    make_branch(stack)
    folder = tmp_path / "cli"
    folder.mkdir()

    done = Cli(folder, stack.variables)(
        *("--project", "acme/shop", "--source_branch", "12-fix-the-total", "--json"),
        WORKFLOW_NAME="gitlab_pull_request",
    )

    assert done.exit_code == 0, done.stderr
    assert last_json(done)["result"]["iid"] == 1
