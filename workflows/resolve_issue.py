"""resolve_issue: from a GitLab issue to a checked merge request, once, however often it is asked.

Branch, note and merge request derive from the project and the issue, so a second delivery and a
run after a crash find what is there. `change.claim.decision.decide_claim` says what to do then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from workflows.change.claim.claim_request import ClaimRefused
from workflows.change.claim.decision import ClaimDecision
from workflows.change.claim.held_claim import Claim, issue_busy
from workflows.change.claim.marker import Phase
from workflows.change.claim.take_claim import claim_issue, update_status_note
from workflows.change.issue_options import IssueOptions
from workflows.change.stages.attempt import prepare_attempts, read_prompt
from workflows.change.stages.attempt_loop import make_change
from workflows.change.stages.base import clone_base
from workflows.change.stages.issue import comment_count, read_issue
from workflows.change.stages.merge_request import open_merge_request
from workflows.change.stages.push import (
    Pushed,
    branch_removed_on_failure,
    push_change,
    pushed_before,
)
from workflows.change.trees import trees
from workflows.change.wording.merge_request import (
    evidence_block,
    evidence_passed,
    merge_request_title,
)
from workflows.change.wording.status_note import StatusNote, closed_note, done_note
from workflows.core.errors import ClaimLost
from workflows.core.flow import Flow, Run
from workflows.core.observability import logger
from workflows.core.prefect import orchestration
from workflows.core.redaction import redact
from workflows.tasks import git, utility
from workflows.tasks.gitlab import GitLab

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.change.request import ChangeRequest
    from workflows.change.stages.issue import IssueContext

_log = logger("resolve_issue")
_SHOWN_DIFF_BYTES = 200_000


class Outcome(StrEnum):
    """How a run that did not fail ended."""

    MERGE_REQUEST = "merge_request"  # opened, or brought up to date
    ALREADY_DONE = "already_done"  # an earlier run did this very request
    ALREADY_FAILED = "already_failed"  # an earlier run tried this very delivery, and said why
    RUNNING_ELSEWHERE = "running_elsewhere"
    CLOSED_BY_PERSON = "closed_by_person"
    ISSUE_CLOSED = "issue_closed"
    DRY_RUN = "dry_run"


class Parameters(IssueOptions):
    """What resolve_issue is started with: `project` and `issue_iid`, or `issue_url`."""


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended. `web_url` is the merge request, or the issue where there is none.

    `agent_s` and `check_s` are the seconds the agent (all attempts) and the last check took.
    `prompt`, `plan` and `diff` are for a dry run only.
    """

    outcome: str
    issue: str
    web_url: str | None
    branch: str | None = None
    commit_id: str | None = None
    attempts: int | None = None
    agent_s: float | None = None
    check_s: float | None = None
    check_passed: bool | None = None
    prompt: str | None = None
    plan: str | None = None
    diff: str | None = None


def body(parameters: Parameters, run: Run) -> Result:
    """Resolve the issue, or find out why not to.

    Raises:
        ActorRefused: who asked may not; nothing is written to GitLab.
        IssueBusy: another run works on the issue, and not for this request.
        NoChange, AgentFailed, ChangeRefused, ChecksFailed: the note on the issue says why.
        WorkflowsError: whatever the git and GitLab steps raise.
    """
    with GitLab.connect(run.settings) as gitlab:
        context = run.step("read issue", read_issue, gitlab, parameters, run.settings)
        url = context.issue.web_url
        if context.issue.state != "opened":
            return Result(Outcome.ISSUE_CLOSED.value, url, url)
        if parameters.dry_run:
            return _dry_run(context, parameters, run)
        note = StatusNote(context.project.web_url, run.run_id, run.settings.run_url)
        wanted = context.claim_request(parameters, run.run_id, run.settings.lease_s, note)
        claim = run.step("claim issue", claim_issue, gitlab, wanted)
        if isinstance(claim, ClaimRefused):
            return _not_claimed(gitlab, claim, context)
        with claim:
            try:
                return _resolve(gitlab, context, claim, parameters, run)
            except ClaimLost as lost:
                _log.warning("%s", lost.what)
                return Result(Outcome.RUNNING_ELSEWHERE.value, url, url)
            except BaseException as error:
                claim.end_with_error(error)
                raise


def _resolve(
    gitlab: GitLab, context: IssueContext, claim: Claim, parameters: Parameters, run: Run
) -> Result:
    """The stages from the claim to the merge request."""
    request = context.request(parameters, claim.marker)
    deadline = time.monotonic() + parameters.timeout_s
    with utility.scratch_folder() as scratch:
        pushed = git.start_over_when_moved(
            lambda folder: _clone_change_push(request, claim, run, folder, deadline), scratch
        )
    claim.check()
    evidence = claim.marker.evidence  # also where an earlier run pushed the change
    merge_request = run.step(
        "open merge request", open_merge_request, gitlab, context, pushed, evidence, parameters
    )
    text = done_note(f"!{merge_request.iid}", merge_request.web_url, evidence_block(evidence))
    facts = {"head": pushed.commit_id, "merge_request": merge_request.iid}
    run.step("write note", claim.end, Phase.DONE, text, **facts)
    change = pushed.change
    return Result(
        outcome=Outcome.MERGE_REQUEST.value,
        issue=context.issue.web_url,
        web_url=merge_request.web_url,
        branch=pushed.branch,
        commit_id=pushed.commit_id,
        attempts=change.attempts if change else None,
        agent_s=change.agent_s if change else None,
        check_s=change.check_s if change else None,
        check_passed=evidence_passed(evidence),
    )


def _clone_change_push(
    request: ChangeRequest, claim: Claim, run: Run, folder: Path, deadline: float
) -> Pushed:
    """The stages from the request to the pushed branch, which the claim's marker records."""
    base = clone_base(request, run, folder, deadline)
    already = pushed_before(base)
    if already is not None:
        return already
    with branch_removed_on_failure(base, run):
        attempts = prepare_attempts(base, run)
        change = make_change(attempts, run)
        facts = change.evidence.facts() if change.evidence else None
        claim.keep(head=change.commit.id, evidence=facts)
        return push_change(base, change, run)


def _dry_run(context: IssueContext, parameters: Parameters, run: Run) -> Result:
    """The same stages up to the push, with the prompt, a plan and a diff as the result."""
    request = context.request(parameters, None)
    deadline = time.monotonic() + parameters.timeout_s
    change, diff = None, ""
    with utility.scratch_folder() as scratch:
        base = clone_base(request, run, scratch, deadline)
        already = pushed_before(base)
        if already is not None:
            prompt = read_prompt(base, run)
        else:
            attempts = prepare_attempts(base, run)
            change = make_change(attempts, run)
            prompt = attempts.prompt
            diff = trees.diff_text(
                base.repository, base.commit, change.tree, limit_bytes=_SHOWN_DIFF_BYTES
            )
    title = merge_request_title(context.issue.title)
    plan = [
        f"read issue {context.issue.iid} with {comment_count(context.comments)}",
        f"the branch {request.branch} from {context.target}"
        + (", which has this request" if already else ""),
        f"a draft merge request {title} into {context.target}",
    ]
    return Result(
        outcome=Outcome.DRY_RUN.value,
        issue=context.issue.web_url,
        web_url=context.issue.web_url,
        branch=request.branch,
        attempts=change.attempts if change else None,
        check_passed=change.evidence.passed if change and change.evidence else None,
        prompt=prompt,
        plan="; ".join(plan),
        diff=redact(diff),
    )


def _not_claimed(gitlab: GitLab, refused: ClaimRefused, context: IssueContext) -> Result:
    """There is nothing to do; where a person closed the merge request, our note says that.

    Raises:
        IssueBusy: there is something to do, but not while another run works.
    """
    issue, merge_request = context.issue, refused.merge_request
    if refused.decision is ClaimDecision.LATER:
        raise issue_busy(issue.iid)
    outcome = {
        ClaimDecision.LEAVE: Outcome.RUNNING_ELSEWHERE,
        ClaimDecision.DONE: Outcome.ALREADY_DONE,
        ClaimDecision.FAILED: Outcome.ALREADY_FAILED,
        ClaimDecision.CLOSED: Outcome.CLOSED_BY_PERSON,
    }[refused.decision]
    if refused.decision is ClaimDecision.CLOSED and merge_request and refused.marker:
        text = closed_note(f"!{merge_request.iid}")
        where = (context.project.id, issue.iid, context.me.id)
        update_status_note(gitlab, where, refused.marker, text)
    link = merge_request.web_url if merge_request else issue.web_url
    head = refused.marker.head if refused.marker else None
    return Result(outcome.value, issue.web_url, link, refused.branch, head)


FLOW = Flow(
    name="resolve_issue",
    module=__name__,
    summary="Turn a GitLab issue into a checked merge request.",
    parameters=Parameters,
    body=body,
    title=lambda p: p.issue_url or f"{p.project}#{p.issue_iid}",
    on_end=utility.notify,
)

__getattr__ = orchestration.module_attribute(FLOW)
