"""push_feature end to end: a request becomes a checked commit on a branch; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stack import CHECK, FIX
from tests.support import Cli, last_json
from workflows.core.config.settings import load
from workflows.core.errors import ParametersInvalid
from workflows.core.flow import FlowState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack import Stack
    from workflows.core.flow import FlowOutcome


def parameters(stack: Stack, code: str = FIX, **more: Any) -> dict[str, Any]:
    values = {
        "git_url": f"{stack.url}/acme/shop.git",
        "feature_request": "Make the price 7.",
        "agent_backend": "command",
        "agent_command": stack.agent(code),
        "check_command": CHECK,
    }
    return values | more


def push(stack: Stack, code: str = FIX, **more: Any) -> FlowOutcome:
    return stack.run("push_feature", parameters(stack, code, **more), settings=load())


def result(outcome: FlowOutcome) -> dict[str, Any]:
    assert outcome.state is FlowState.SUCCEEDED, outcome.message
    assert outcome.result is not None
    return outcome.result


def error(outcome: FlowOutcome) -> dict[str, Any]:
    assert outcome.state is FlowState.FAILED, outcome.result
    assert outcome.error is not None
    return outcome.error


def test_a_request_becomes_one_checked_commit(stack: Stack) -> None:
    done = result(push(stack, author="Ada Lovelace <ada@example.com>", git_user="Bot"))

    assert done["branch"].startswith("feature/make-the-price-7-")
    assert done["changed"] is True
    assert done["check_passed"] is True
    assert stack.branches()[done["branch"]] == done["commit_id"]
    (commit,) = stack.project.repository.commits([f"main..{done['branch']}"])
    assert commit.title == "Make the price 7."
    assert commit.author.name == "Bot"
    assert "Co-authored-by: Ada Lovelace <ada@example.com>" in commit.message
    assert stack.merge_requests() == []


def test_the_same_request_again_needs_no_agent(stack: Stack) -> None:
    first = result(push(stack))

    second = result(push(stack, "raise SystemExit('no agent, please')"))

    assert second["changed"] is False
    assert second["commit_id"] == first["commit_id"]
    assert second["branch"] == first["branch"]


def test_another_request_goes_on_with_a_named_branch(stack: Stack) -> None:
    first = result(push(stack, feature_branch="feature/price"))
    code = "assert '7' in pathlib.Path('price.py').read_text()\nwrite('more.txt', 'more')"

    second = result(
        push(stack, code, feature_branch="feature/price", feature_request="Add more.txt.")
    )

    repository = stack.project.repository
    ids = [c.id for c in repository.commits(["main..feature/price"])]
    assert ids == [second["commit_id"], first["commit_id"]]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("pass", "NoChange"),
        ("write('pluscoder.log', 'x')", "NoChange"),
        ("raise SystemExit(3)", "AgentFailed"),
        ("write('price.py', 'price = 1')", "ChecksFailed"),
        (FIX + "\nwrite('.gitlab-ci.yml', 'x')", "ChangeRefused"),
    ],
)
def test_what_cannot_be_delivered_is_said_and_pushes_nothing(
    stack: Stack, code: str, kind: str
) -> None:
    found = error(push(stack, code, max_attempts=1))

    assert found["type"] == kind
    assert list(stack.branches()) == ["main"]


def test_an_agent_that_takes_too_long_is_ended(stack: Stack) -> None:
    found = error(push(stack, "time.sleep(60)", timeout_s=2))

    assert found["type"] == "AgentFailed"
    assert "did not end" in found["what"]


def test_a_missing_agent_says_what_to_install(stack: Stack) -> None:
    found = error(push(stack, agent_command="no-such-agent --now"))

    assert found["type"] == "ProgramMissing"
    assert "no-such-agent" in found["what"]


def test_the_check_sees_the_exact_commit_and_no_leftovers(stack: Stack) -> None:
    """Files that are not committed are not there; the commit id is the one pushed."""
    code = f"{FIX}\nwrite('pluscoder.log', 'left')\nwrite('.venv/x', 'left')"
    check = "sh -c 'test ! -e pluscoder.log && test ! -e .venv && git rev-parse HEAD >&2 && exit 9'"

    found = error(push(stack, code, check_command=check, max_attempts=1))

    assert found["type"] == "ChecksFailed"
    assert "exit code 9" in found["what"]


def test_default_branches_are_refused(stack: Stack) -> None:
    with pytest.raises(ParametersInvalid, match="main"):
        push(stack, feature_branch="main")


def test_an_empty_repository_gets_its_first_commit(stack: Stack) -> None:
    stack.lab.create_project("acme/empty", files={})
    stack.lab.add_member(stack.lab.find_project("acme/empty"), stack.people["bot"], 40)  # type: ignore[arg-type]
    url = f"{stack.url}/acme/empty.git"

    done = result(push(stack, git_url=url, check_command="", feature_branch="first"))

    assert done["files"] == 1


def test_the_cloud_run_way_of_starting_it(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "cli"
    folder.mkdir()
    flags = [f"--{name}={value}" for name, value in parameters(stack, feature_branch="f/x").items()]

    done = Cli(folder, stack.variables)(*flags, "--json", WORKFLOW_NAME="push_feature")

    assert done.exit_code == 0, done.stderr
    assert last_json(done)["result"]["branch"] == "f/x"
