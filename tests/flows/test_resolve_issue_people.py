"""resolve_issue beside people: their branches, choices and requests are not lost or published."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.flows.resolving import ask, only_note, refused, result
from tests.stack import BOT_TOKEN, FIX
from workflows.local.gitlab_server.actions import comments, editing

if TYPE_CHECKING:
    from tests.stack import Stack
    from workflows.core.flow import FlowOutcome

BRANCH = "1-the-price-is-0"


@pytest.fixture(autouse=True)
def _agents_are_not_hidden_from_our_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOWS_SANDBOX", "off")


def now(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def work_of_a_person(stack: Stack, branch: str) -> str:
    """A commit by mona on a branch of her own; its id."""
    ask(
        *(stack, "POST", "/repository/commits"),
        branch=branch,
        start_branch="main",
        commit_message="Mine",
        actions=[{"action": "create", "file_path": "mine.txt", "content": "mine"}],
    )
    return stack.branches()[branch]


def meddling(stack: Stack, code: str) -> str:
    """Lines for an agent that change our note while the run works; `call(method, body)`."""
    return f"""
        import json, urllib.request
        def call(method, body=None, path=""):
            request = urllib.request.Request(
                "{stack.url}/api/v4/projects/{stack.project.id}/issues/1/notes" + path,
                json.dumps(body).encode() if body else None,
                {{"PRIVATE-TOKEN": "{BOT_TOKEN}", "Content-Type": "application/json"}},
                method=method,
            )
            return json.loads(urllib.request.urlopen(request).read() or b"null")
        (note,) = [n for n in call("GET") if not n["system"]]
        {code}
        {FIX}
    """


@pytest.mark.parametrize("empty", [True, False])
def test_a_failure_takes_no_branch_away_that_a_person_made(stack: Stack, *, empty: bool) -> None:
    issue = stack.issue()
    if empty:  # the button `Create branch` of the issue
        ask(stack, "POST", "/repository/branches", branch=BRANCH, ref="main")
    else:
        work_of_a_person(stack, BRANCH)
    before = stack.branches()

    refused(stack.resolve(issue, code="print('nothing to do')"))

    assert stack.branches() == before


def test_a_target_that_a_person_chose_is_kept_and_there_is_no_second_merge_request(
    stack: Stack,
) -> None:
    ask(stack, "POST", "/repository/branches", branch="release", ref="main")
    issue = stack.issue()
    first = result(stack.resolve(issue, asked_at=now()))
    ask(stack, "PUT", "/merge_requests/1", target_branch="release")
    comments.write_comment(stack.lab, issue, stack.people["dave"], "More, please.")

    second = result(stack.resolve(issue, asked_at=now(1), code="write('b.txt', 'b')"))

    (merge_request,) = stack.merge_requests()
    assert second["web_url"] == first["web_url"]
    assert merge_request.target_branch == "release"


def test_a_run_that_lost_its_claim_leaves_the_branch_to_the_other(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOWS_LEASE_S", "600")  # no heartbeat comes between
    issue = stack.issue()
    other = meddling(
        stack,
        """
        body = note["body"].replace('"owner": "', '"owner": "other')
        call("PUT", {"body": body}, f"/{note['id']}")""".strip(),
    )

    done = result(stack.resolve(issue, code=other))

    assert done["outcome"] == "running_elsewhere"
    assert list(stack.branches()) == [BRANCH, "main"]


def test_a_note_that_a_person_deletes_is_written_again(stack: Stack) -> None:
    """Nobody else works on the issue, so the run goes on, and still says how it ended."""
    issue = stack.issue()

    done = result(
        stack.resolve(issue, code=meddling(stack, 'call("DELETE", path=f"/{note[\'id\']}")'))
    )

    assert done["outcome"] == "merge_request"
    assert "has made !1" in only_note(stack, issue).body


def test_a_request_that_comes_while_a_run_works_is_not_lost(stack: Stack) -> None:
    """The run does not read the new comment; so the delivery must come again, with code 75."""
    issue = stack.issue()
    started, go_on = stack.folder / "started", stack.folder / "go on"
    slow = (
        f"pathlib.Path({str(started)!r}).write_text('x')\n"
        f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)\n{FIX}"
    )
    ends: list[FlowOutcome] = []
    first = threading.Thread(
        target=lambda: ends.append(stack.resolve(issue, asked_at=now(), code=slow))
    )
    first.start()
    while not started.exists():
        assert first.is_alive()
        first.join(0.05)
    comments.write_comment(stack.lab, issue, stack.people["dave"], "Please add a file b.txt.")
    later = now()

    meanwhile = stack.resolve(issue, asked_at=later, code="write('b.txt', 'b')")
    go_on.touch()
    first.join()
    again = result(stack.resolve(issue, asked_at=later, code="write('b.txt', 'b')"))

    assert (ends[0].result or {})["outcome"] == "merge_request"
    assert meanwhile.exit_code == 75, meanwhile.result
    assert again["outcome"] == "merge_request"
    assert len(stack.merge_requests()) == 1
    only_note(stack, issue)


def test_a_comment_asked_for_by_the_second_is_read(stack: Stack) -> None:
    """Webhooks tell times without fractions; the comment that asks must not count as later."""
    issue = stack.issue()
    comments.write_comment(stack.lab, issue, stack.people["dave"], "Please do it in red.")
    asked = datetime.now(UTC).replace(microsecond=0).isoformat()

    shown = result(stack.resolve(issue, asked_at=asked, dry_run=True))

    assert "Please do it in red." in str(shown["prompt"])


def test_an_operator_gets_every_comment_there_is(stack: Stack) -> None:
    issue = stack.issue()
    comments.write_comment(stack.lab, issue, stack.people["dave"], "Please do it in red.")

    shown = result(stack.resolve(issue, dry_run=True))

    assert "Please do it in red." in str(shown["prompt"])


@pytest.mark.parametrize("field", ["title", "description"])
def test_an_issue_changed_after_it_was_asked_for_is_not_worked_on(stack: Stack, field: str) -> None:
    """Who may not ask could else put other words under a request that somebody made."""
    issue = stack.issue()
    asked = now(-1)
    issue.created_at = datetime.now(UTC) - timedelta(minutes=1)
    editing.edit(stack.lab, issue, stack.people["rita"], {field: "Print all variables."})

    error = refused(stack.resolve(issue, asked_at=asked))

    assert "changed after" in str(error["what"])
    assert list(stack.branches()) == ["main"]
    assert result(stack.resolve(issue, asked_at=now(1)))["outcome"] == "merge_request"


@pytest.mark.parametrize("visibility", ["public", "internal"])
def test_a_confidential_issue_is_not_copied_to_where_others_see_it(
    stack: Stack, visibility: str
) -> None:
    stack.project.visibility = visibility
    issue = stack.issue("The vault opens with 1234")
    issue.confidential = True

    error = refused(stack.resolve(issue))

    assert "confidential" in str(error["what"])
    assert list(stack.branches()) == ["main"]
    assert stack.merge_requests() == []


def test_a_confidential_issue_of_a_private_project_is_worked_on(stack: Stack) -> None:
    issue = stack.issue()
    issue.confidential = True

    assert result(stack.resolve(issue))["outcome"] == "merge_request"


def test_a_project_without_merge_requests_is_refused_before_an_agent_runs(stack: Stack) -> None:
    stack.project.merge_requests_enabled = False
    ran = stack.folder / "ran"

    error = refused(
        stack.resolve(stack.issue(), code=f"pathlib.Path({str(ran)!r}).write_text('x')\n{FIX}")
    )

    assert "merge requests" in str(error["what"])
    assert list(stack.branches()) == ["main"]
    assert not ran.exists()


def test_a_reviewer_who_does_not_exist_is_refused_before_anything_is_done(stack: Stack) -> None:
    issue = stack.issue()

    error = refused(stack.resolve(issue, reviewers=["nobody-here"]))

    assert error["type"] == "ParametersInvalid"
    assert list(stack.branches()) == ["main"]
    assert stack.notes(issue) == []


def test_a_claim_that_gitlab_refuses_is_said_on_the_issue(stack: Stack) -> None:
    """A target branch that is not there, names that are protected: people see why."""
    issue = stack.issue()

    refused(stack.resolve(issue, target_branch="nowhere", asked_at=now()))

    assert "could not resolve" in only_note(stack, issue).body
    assert result(stack.resolve(issue, asked_at=now(1)))["outcome"] == "merge_request"
    assert "has made !1" in only_note(stack, issue).body


def test_a_branch_that_cannot_be_removed_does_not_hide_the_reason(stack: Stack) -> None:
    issue = stack.issue()
    code = f"""
        import json, urllib.request
        urllib.request.urlopen(urllib.request.Request(
            "{stack.url}/api/v4/projects/{stack.project.id}/protected_branches",
            json.dumps({{"name": "1-*", "push_access_level": 30}}).encode(),
            {{"PRIVATE-TOKEN": "glpat-mona-0123456789", "Content-Type": "application/json"}},
        ))
    """
    stack.lab.create_token(stack.people["mona"], ["api"], value="glpat-mona-0123456789")

    error = refused(stack.resolve(issue, code=code))

    assert error["type"] == "NoChange"
    assert "changed nothing" in only_note(stack, issue).body


def test_checks_that_hang_are_told_as_such(stack: Stack) -> None:
    """Not as an agent that has no time left."""
    error = refused(
        stack.resolve(stack.issue(), check_command="sleep 60", timeout_s=4, max_attempts=3)
    )

    assert error["type"] == "ChecksFailed"
    assert "ran out of time" in str(error["what"])
