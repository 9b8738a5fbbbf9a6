"""resolve_issue when the agent changes nothing or fails, or the checks do, or there are none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.flows.resolving import now, only_note, refused, result

if TYPE_CHECKING:
    from tests.stack import Stack


def test_no_change_is_said_and_leaves_no_branch(stack: Stack) -> None:
    issue = stack.issue()

    error = refused(stack.resolve(issue, code="print('I think all is well.')"))

    assert error["type"] == "NoChange"
    note = only_note(stack, issue)
    assert "changed nothing" in note.body
    assert "I think all is well." in note.body
    assert list(stack.branches()) == ["main"]
    assert stack.merge_requests() == []


def test_a_failed_agent_is_said_with_its_last_lines(stack: Stack) -> None:
    issue = stack.issue()

    error = refused(stack.resolve(issue, code="raise SystemExit('no credit left')"))

    assert error["type"] == "AgentFailed"
    assert "no credit left" in only_note(stack, issue).body
    assert list(stack.branches()) == ["main"]


def test_a_redelivery_of_what_failed_for_good_is_not_paid_for_twice(stack: Stack) -> None:
    issue = stack.issue()
    asked = now().isoformat()
    refused(stack.resolve(issue, asked_at=asked, code="raise SystemExit(1)"))

    again = result(stack.resolve(issue, asked_at=asked))

    assert again["outcome"] == "already_failed"
    later = (now() + timedelta(seconds=1)).isoformat()
    assert result(stack.resolve(issue, asked_at=later))["outcome"] == "merge_request"


def test_failing_checks_go_back_to_the_agent(stack: Stack) -> None:
    """The second attempt sees the output of the first one's checks, in its own files."""
    issue = stack.issue()
    code = """
        if "AssertionError: 3" in prompt:
            assert "return 3" in pathlib.Path("price.py").read_text()
            write("price.py", "def price() -> int:\\n    return 7\\n")
        else:
            write("price.py", "def price() -> int:\\n    return 3\\n")
    """

    done = result(stack.resolve(issue, code=code))

    assert done["attempts"] == 2
    assert done["check_passed"] is True
    assert len(stack.project.repository.commits([f"main..{done['branch']}"])) == 1


def test_checks_that_keep_failing_push_nothing(stack: Stack) -> None:
    issue = stack.issue()
    code = "write('price.py', f'def price() -> int:\\n    return {len(prompt)}\\n')"

    error = refused(stack.resolve(issue, code=code, max_attempts=2))

    assert error["type"] == "ChecksFailed"
    assert "after 2 attempts" in str(error["what"])
    assert "AssertionError" in only_note(stack, issue).body
    assert list(stack.branches()) == ["main"]


def test_an_attempt_that_changes_nothing_more_is_the_last(stack: Stack) -> None:
    """The agent writes the same file again: a third attempt would be paid for nothing."""
    code = "write('price.py', 'def price() -> int:\\n    return 3\\n')"

    error = refused(stack.resolve(stack.issue(), code=code, max_attempts=5))

    assert error["type"] == "ChecksFailed"
    assert "after 2 attempts" in str(error["what"])


def test_failing_checks_can_be_pushed_as_a_draft_that_says_so(stack: Stack) -> None:
    issue = stack.issue()
    code = "write('price.py', 'def price() -> int:\\n    return 3\\n')"

    done = result(stack.resolve(issue, code=code, max_attempts=1, push_failing="draft"))

    (merge_request,) = stack.merge_requests()
    assert done["check_passed"] is False
    assert merge_request.title.startswith("Draft: ")
    assert "Checks **failed**" in (merge_request.description or "")


def test_without_checks_the_merge_request_says_so(stack: Stack) -> None:
    done = result(stack.resolve(stack.issue(), check_command=""))

    assert done["check_passed"] is None
    assert "**Not checked**" in (stack.merge_requests()[0].description or "")
