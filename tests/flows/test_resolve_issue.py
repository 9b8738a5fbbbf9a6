"""resolve_issue end to end on the embedded GitLab: each way it can go, told by what GitLab has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.flows.resolving import ask, file_at, now, only_note, refused, result
from tests.stack import BOT_TOKEN, CHECK, FILES, FIX
from workflows.local.gitlab_server.actions import comments, editing
from workflows.local.gitlab_server.state.model import Note

if TYPE_CHECKING:
    from tests.stack import Stack


def test_an_issue_becomes_a_checked_draft_merge_request(stack: Stack) -> None:
    """Branch, one commit, evidence, Closes, the asker as reviewer and co-author, a done note."""
    issue = stack.issue()
    dave = stack.people["dave"]

    done = result(stack.resolve(issue, actor_id=dave.id, asked_at=now().isoformat()))

    (merge_request,) = stack.merge_requests()
    assert done["outcome"] == "merge_request"
    assert done["check_passed"] is True
    assert done["web_url"] == f"{stack.url}/acme/shop/-/merge_requests/{merge_request.iid}"
    assert merge_request.source_branch == "1-the-price-is-0"
    assert merge_request.title == 'Draft: Resolve "The price is 0"'
    assert merge_request.reviewers == [dave]
    text = merge_request.description or ""
    assert "Closes #1" in text
    assert f"- command: `{CHECK}`" in text
    assert "- exit code: 0" in text
    assert f"- commit: `{done['commit_id']}`" in text
    assert "- `price.py`" in text
    commits = stack.project.repository.commits(["main..1-the-price-is-0"])
    assert [c.id for c in commits] == [done["commit_id"]]
    message = commits[0].message
    assert message.startswith("The price is 0 (issue 1)\n\nIssue: ")
    assert f"Co-authored-by: Dave <{dave.id}-dave@users.noreply.127.0.0.1>" in message
    note = only_note(stack, issue)
    assert "has made !1" in note.body
    assert note.body.startswith("<!-- workflows:resolve_issue ")


def test_merging_it_closes_the_issue(stack: Stack) -> None:
    issue = stack.issue()
    result(stack.resolve(issue))

    ask(stack, "PUT", "/merge_requests/1", title="Resolve it")
    ask(stack, "PUT", "/merge_requests/1/merge")

    assert issue.state == "closed"
    assert file_at(stack, "main", "price.py").endswith("return 7\n")


def test_an_issue_can_be_named_by_its_page(stack: Stack) -> None:
    issue = stack.issue()
    values = stack.parameters(issue, project=None, issue_iid=None)
    values["issue_url"] = f"{stack.url}/acme/shop/-/work_items/1?x=1#note_2"

    from workflows.core.config.settings import load

    assert result(stack.run("resolve_issue", values, settings=load()))["branch"]


@pytest.mark.parametrize("who", ["rita", "stranger", "blocked", "expired"])
def test_who_may_not_push_may_not_ask(stack: Stack, who: str) -> None:
    """Below Developer, no member, blocked, expired: refused, and nothing is written to GitLab."""
    issue = stack.issue()
    if who in {"blocked", "expired"}:
        user = stack.lab.create_user(who)
        yesterday = (now() - timedelta(days=1)).date()
        expiry = yesterday if who == "expired" else None
        stack.lab.add_member(stack.project, user, 40, expires_at=expiry)
        user.state = "blocked" if who == "blocked" else "active"
    else:
        user = stack.people[who]

    error = refused(stack.resolve(issue, actor_id=user.id))

    assert error["type"] == "ActorRefused"
    assert "Developer" in str(error["why"])
    assert stack.notes(issue) == []
    assert list(stack.branches()) == ["main"]
    assert not [seen for seen in stack.lab.requests if seen.method not in {"GET", "HEAD"}]


def test_the_bot_does_not_ask_itself(stack: Stack) -> None:
    """Its own label or comment comes back as an event: that must not start anything."""
    issue = stack.issue()

    error = refused(stack.resolve(issue, actor_id=stack.people["bot"].id))

    assert error["type"] == "ActorRefused"
    assert stack.notes(issue) == []


def test_a_second_delivery_changes_nothing(stack: Stack) -> None:
    """The same message again: no second branch, merge request, note or commit."""
    issue = stack.issue()
    asked = now().isoformat()
    first = result(stack.resolve(issue, asked_at=asked))
    before = (stack.branches(), only_note(stack, issue).body)

    again = result(
        stack.resolve(issue, asked_at=asked, code="raise SystemExit('no agent, please')")
    )

    assert again["outcome"] == "already_done"
    assert again["web_url"] == first["web_url"]
    assert again["commit_id"] == first["commit_id"]
    assert (stack.branches(), only_note(stack, issue).body) == before
    assert len(stack.merge_requests()) == 1


def test_a_branch_that_carries_the_request_needs_no_agent(stack: Stack) -> None:
    """Also where our note is gone: the trailer of its commit is enough, and nothing is pushed."""
    issue = stack.issue()
    first = result(stack.resolve(issue))
    ask(stack, "DELETE", f"/issues/{issue.iid}/notes/{only_note(stack, issue).id}")

    again = result(stack.resolve(issue, code="raise SystemExit('no agent, please')"))

    assert again["outcome"] == "merge_request"
    assert again["attempts"] is None
    assert again["commit_id"] == first["commit_id"]
    assert len(stack.merge_requests()) == 1


def test_an_operator_who_runs_it_twice_gets_one_merge_request(stack: Stack) -> None:
    issue = stack.issue()
    result(stack.resolve(issue))

    assert result(stack.resolve(issue))["outcome"] == "already_done"
    assert len(stack.merge_requests()) == 1


def test_a_new_comment_continues_the_branch_and_keeps_peoples_commits(stack: Stack) -> None:
    issue = stack.issue()
    first = result(stack.resolve(issue, asked_at=now().isoformat()))
    ask(
        *(stack, "POST", "/repository/commits"),
        branch=first["branch"],
        commit_message="By a person",
        actions=[{"action": "create", "file_path": "person.txt", "content": "mine\n"}],
    )
    ask(stack, "PUT", "/merge_requests/1", title="A better title", description="By a person.")
    comments.write_comment(stack.lab, issue, stack.people["dave"], "Please add a file b.txt.")
    asked = (now() + timedelta(seconds=1)).isoformat()

    code = """
        assert "b.txt" in prompt and "An earlier run" in prompt
        assert pathlib.Path("person.txt").read_text() == "mine\\n"
        write("b.txt", "b\\n")
    """
    second = result(stack.resolve(issue, asked_at=asked, code=code))

    (merge_request,) = stack.merge_requests()
    assert second["branch"] == first["branch"]
    subjects = [c.title for c in stack.project.repository.commits([f"main..{first['branch']}"])]
    assert subjects == ["The price is 0 (issue 1)", "By a person", "The price is 0 (issue 1)"]
    assert merge_request.title == "A better title"
    assert merge_request.description == "By a person."  # what people wrote stays
    assert str(second["commit_id"]) in only_note(stack, issue).body


def test_the_report_in_the_description_follows_the_work(stack: Stack) -> None:
    issue = stack.issue()
    result(stack.resolve(issue, asked_at=now().isoformat()))
    text = stack.merge_requests()[0].description or ""
    ask(stack, "PUT", "/merge_requests/1", description=f"Above.\n\n{text}\n\nBelow.")
    comments.write_comment(stack.lab, issue, stack.people["dave"], "More, please.")
    asked = (now() + timedelta(seconds=1)).isoformat()

    second = result(stack.resolve(issue, asked_at=asked, code="write('b.txt', 'b')"))

    text = stack.merge_requests()[0].description or ""
    assert text.startswith("Above.")
    assert text.endswith("Below.")
    assert text.count("Checks passed") == 1
    assert f"- commit: `{second['commit_id']}`" in text
    assert "- `b.txt`" in text


def test_a_merge_request_closed_by_a_person_stays_closed(stack: Stack) -> None:
    issue = stack.issue()
    result(stack.resolve(issue))
    ask(stack, "PUT", "/merge_requests/1", state_event="close")
    comments.write_comment(stack.lab, issue, stack.people["dave"], "Try again!")
    before = stack.branches()

    again = result(stack.resolve(issue, code="raise SystemExit(1)"))

    assert again["outcome"] == "closed_by_person"
    assert "a person closed !1" in only_note(stack, issue).body
    assert stack.branches() == before
    assert [m.state for m in stack.merge_requests()] == ["closed"]


def test_a_dry_run_shows_prompt_plan_and_diff_and_writes_nothing(stack: Stack) -> None:
    issue = stack.issue()

    shown = result(stack.resolve(issue, dry_run=True))

    assert shown["outcome"] == "dry_run"
    assert "The task is issue 1: The price is 0" in str(shown["prompt"])
    assert "1-the-price-is-0" in str(shown["plan"])
    assert "+    return 7" in str(shown["diff"])
    assert shown["check_passed"] is True
    assert list(stack.branches()) == ["main"]
    assert stack.notes(issue) == []
    posts = [
        s for s in stack.lab.requests if s.method != "GET" and "git-upload-pack" not in s.target
    ]
    assert posts == []


def test_comments_after_the_trigger_and_internal_ones_are_not_read(stack: Stack) -> None:
    issue = stack.issue()
    dave = stack.people["dave"]
    comments.write_comment(stack.lab, issue, dave, "An early word.")
    comments.write_comment(stack.lab, issue, dave, "An internal word.", internal=True)
    asked = (now() + timedelta(seconds=1)).isoformat()
    late = comments.write_comment(stack.lab, issue, dave, "A late word.")
    assert isinstance(late, Note)
    late.created_at = late.updated_at = now() + timedelta(minutes=1)

    prompt = str(result(stack.resolve(issue, asked_at=asked, dry_run=True))["prompt"])

    assert "An early word." in prompt
    assert "An internal word." not in prompt
    assert "A late word." not in prompt


def test_the_guide_is_the_default_branchs_not_the_work_branchs(stack: Stack) -> None:
    issue = stack.issue()
    first = result(stack.resolve(issue))
    ask(
        *(stack, "POST", "/repository/commits"),
        branch=first["branch"],
        commit_message="Change the guide",
        actions=[{"action": "update", "file_path": "AGENTS.md", "content": "Obey the branch.\n"}],
    )
    comments.write_comment(stack.lab, issue, stack.people["dave"], "More.")

    shown = result(stack.resolve(issue, dry_run=True, code="write('c.txt', 'c')"))
    prompt = str(shown["prompt"])

    assert "Keep it simple." in prompt
    assert "Obey the branch." not in prompt


def test_a_closed_issue_is_left_alone(stack: Stack) -> None:
    issue = stack.issue()
    editing.edit(stack.lab, issue, stack.people["rita"], {"state_event": "close"})

    assert result(stack.resolve(issue))["outcome"] == "issue_closed"
    assert stack.notes(issue) == []


def test_an_issue_that_must_stay_open_gets_no_closing_word_and_no_tied_branch(stack: Stack) -> None:
    issue = stack.issue()

    done = result(stack.resolve(issue, closes=False))

    assert done["branch"] == "issue-1-the-price-is-0"
    ask(stack, "PUT", "/merge_requests/1", title="Resolve it")
    ask(stack, "PUT", "/merge_requests/1/merge")
    assert issue.state == "opened"


def test_another_target_branch_is_started_from_and_merged_into(stack: Stack) -> None:
    ask(stack, "POST", "/repository/branches", branch="release", ref="main")
    ask(
        *(stack, "POST", "/repository/commits"),
        branch="release",
        commit_message="A release",
        actions=[{"action": "create", "file_path": "r.txt", "content": "r\n"}],
    )
    code = "assert pathlib.Path('r.txt').exists()\n" + FIX

    done = result(stack.resolve(stack.issue(), target_branch="release", code=code))

    (merge_request,) = stack.merge_requests()
    assert merge_request.target_branch == "release"
    assert len(stack.project.repository.commits([f"release..{done['branch']}"])) == 1


def test_a_run_that_dies_between_push_and_merge_request_is_gone_on_with(stack: Stack) -> None:
    """No agent runs a second time; the evidence is the first run's."""
    from workflows.local.gitlab_server.server import Fault

    issue = stack.issue()
    stack.lab.fault_rules.append(Fault("POST", r"/merge_requests$", status=403, times=9))
    refused(stack.resolve(issue))
    stack.lab.fault_rules.clear()

    done = result(stack.resolve(issue, code="raise SystemExit('no second agent')"))

    assert done["outcome"] == "merge_request"
    assert done["check_passed"] is True
    assert "- exit code: 0" in (stack.merge_requests()[0].description or "")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"issue_url": "x", "project": "a/b"}, "issue"),
        ({"project": "a/b"}, "issue"),
        ({"issue_iid": 0, "project": "a/b"}, "issue_iid"),
        ({"issue_url": "x", "asked_at": "yesterday"}, "asked_at"),
        ({"issue_url": "x", "asked_at": "2026-01-01T00:00:00"}, "asked_at"),
        ({"issue_url": "x", "provider": "acme"}, "provider"),
        ({"issue_url": "x", "check_command": "a 'b"}, "check_command"),
        ({"issue_url": "x", "agent_backend": "command"}, "agent_command"),
        ({"issue_url": "x", "model": "a b;c"}, "model"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(
    stack: Stack, values: dict[str, object], problem: str
) -> None:
    from workflows.core.config.settings import load
    from workflows.core.errors import ParametersInvalid

    with pytest.raises(ParametersInvalid, match=problem):
        stack.run("resolve_issue", values, settings=load())


def test_files_of_the_bot_token_never_reach_gitlab_text(stack: Stack) -> None:
    """What an agent prints is redacted before it is published."""
    issue = stack.issue()

    refused(stack.resolve(issue, code=f"raise SystemExit('leak {BOT_TOKEN}')"))

    assert BOT_TOKEN not in only_note(stack, issue).body
    assert "[redacted]" in only_note(stack, issue).body


def test_the_project_is_what_the_fixture_says(stack: Stack) -> None:
    """The check fails before the work: a passing check is the agent's doing."""
    assert "return 0" in FILES["price.py"]
    assert list(stack.branches()) == ["main"]
