"""resolve_issue when GitLab fails: at every request, once or for good; never a duplicate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from workflows.core.config.settings import load
from workflows.core.flow import FlowState
from workflows.local.gitlab_server.server import Fault

if TYPE_CHECKING:
    from tests.stack import Stack
    from workflows.core.flow import FlowOutcome
    from workflows.local.gitlab_server.state.model import Issue


_FEW, _MANY, _ALWAYS = 15, 80, 10**6


def resolve(stack: Stack, issue: Issue, asked: str) -> FlowOutcome:
    return stack.resolve(issue, asked_at=asked, settings=load(retries=1, retry_delay_s=0.02))


def one_of_each(stack: Stack, issue: Issue) -> None:
    """One branch, one open merge request, one note that says so; one commit on the branch."""
    mine = [name for name in stack.branches() if name.startswith(f"{issue.iid}-")]
    assert len(mine) == 1, mine
    requests = [m for m in stack.merge_requests() if m.source_branch == mine[0]]
    assert [m.state for m in requests] == ["opened"], requests
    notes = stack.notes(issue)
    assert len(notes) == 1, [note.body for note in notes]
    assert f"has made !{requests[0].iid}" in notes[0].body
    assert len(stack.project.repository.commits([f"main..{mine[0]}"])) == 1


def now() -> str:
    return datetime.now(UTC).isoformat()


KINDS: dict[str, dict[str, object]] = {
    "503": {"status": 503},
    "429": {"status": 429, "retry_after": "0"},
    "cut after it was carried out": {"drop": True, "after": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_request_is_got_over(stack: Stack, kind: str) -> None:
    """Whichever request fails once, the run succeeds, with one branch, merge request and note."""
    for at in range(_MANY):
        issue = stack.issue(f"Fault {at}")
        fault = Fault(skip=at, **KINDS[kind])  # type: ignore[arg-type]
        stack.lab.fault_rules[:] = [fault]

        outcome = resolve(stack, issue, now())

        assert outcome.state is FlowState.SUCCEEDED, (at, outcome.message)
        one_of_each(stack, issue)
        if fault.times:  # the run makes no such request: all have had their fault
            break
    assert _FEW < at < _MANY - 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_answer_that_comes_too_late_doubles_nothing(stack: Stack, method: str) -> None:
    """The request was carried out; whoever asked has hung up by the time it is answered."""
    patient = load(retries=2, retry_delay_s=0.02, gitlab_timeout_s=1.5)
    for at in range(_MANY):
        issue = stack.issue(f"Late {at}")
        fault = Fault(method, r"^/api/", latency_s=2, after=True, skip=at)
        stack.lab.fault_rules[:] = [fault]

        outcome = stack.resolve(issue, settings=patient)

        assert outcome.state is FlowState.SUCCEEDED, (at, outcome.message)
        one_of_each(stack, issue)
        if fault.times:
            break
    assert 1 < at < _MANY - 1


def test_an_outage_from_any_request_on_ends_clean_and_is_gone_on_with(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 75 while GitLab is down; the redelivery finds what is there and finishes."""
    monkeypatch.setenv("WORKFLOWS_LEASE_S", "1")
    for at in range(_MANY):
        issue = stack.issue(f"Outage {at}")
        asked = now()
        fault = Fault(skip=at, times=_ALWAYS, status=503)
        stack.lab.fault_rules[:] = [fault]

        outcome = resolve(stack, issue, asked)

        stack.lab.fault_rules.clear()
        if fault.times == _ALWAYS:
            break
        assert outcome.exit_code in {0, 75}, (at, outcome.message)  # 0: only a heartbeat failed
        again = resolve(stack, issue, asked)
        assert again.state is FlowState.SUCCEEDED, (at, again.message)
        one_of_each(stack, issue)
    assert _FEW < at < _MANY - 1


def test_a_slow_gitlab_is_waited_for_and_a_silent_one_is_not(stack: Stack) -> None:
    stack.lab.fault_rules.append(Fault("POST", r"/merge_requests$", latency_s=3))
    issue = stack.issue()
    quick = load(retries=1, retry_delay_s=0.02, gitlab_timeout_s=1)

    outcome = stack.resolve(issue, settings=quick)

    assert outcome.state is FlowState.SUCCEEDED, outcome.message
    one_of_each(stack, issue)


def test_a_note_that_cannot_be_written_does_not_hide_the_reason(stack: Stack) -> None:
    """The failure to report is logged; the error is still the agent's."""
    stack.lab.fault_rules.append(Fault("PUT", r"/notes/\d+$", status=403, times=10**6))

    outcome = stack.resolve(stack.issue(), code="raise SystemExit('broken')")

    assert outcome.error is not None
    assert outcome.error["type"] == "AgentFailed"
    assert "broken" in str(outcome.error["why"])
