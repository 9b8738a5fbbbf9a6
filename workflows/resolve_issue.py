"""resolve_issue: from a GitLab issue to a checked merge request, once, however often it is asked.

Branch, note and merge request derive from the project and the issue, so a second delivery and a
run after a crash find what is there. `change.claim.marker.decide_claim` says what to do then.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workflows.change import delivery, issue_context
from workflows.change.attempts import rounds
from workflows.change.claim import claim
from workflows.change.claim.claim import Claim, ClaimRefused
from workflows.change.claim.marker import ClaimDecision, Marker, Phase
from workflows.change.issue_options import IssueOptions
from workflows.change.trees import trees
from workflows.change.wording import gitlab_text
from workflows.core.errors import ClaimLost, PermanentError, WorkflowsError
from workflows.core.flow import Flow, Run, is_termination
from workflows.core.git.urls import GitUrl
from workflows.core.observability import logger
from workflows.core.prefect import orchestration
from workflows.core.redaction import redact
from workflows.tasks import utility
from workflows.tasks.gitlab import GitLab, MergeRequest, MergeRequestWish

if TYPE_CHECKING:
    from workflows.change.attempts.rounds import Change
    from workflows.change.delivery import Pushed
    from workflows.change.issue_context import IssueContext

_log = logger("resolve_issue")
_SHOWN_DIFF = 200_000


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
        issue = run.step("read issue", issue_context.read_issue, gitlab, parameters, run.settings)
        if issue.issue.state != "opened":
            return Result(Outcome.ISSUE_CLOSED.value, issue.issue.web_url, issue.issue.web_url)
        if parameters.dry_run:
            return _dry_run(issue, parameters, run)
        notes = _StatusNotes(issue, run)
        wish = _claim_request(issue, parameters, run)
        taken = run.step(
            "claim issue", claim.claim_issue, gitlab, wish, notes.working, notes.failed
        )
        if isinstance(taken, ClaimRefused):
            return _leave(gitlab, taken, issue)
        with taken:
            try:
                return _work(gitlab, taken, issue, parameters, run)
            except ClaimLost as lost:
                _log.warning("%s", lost.what)
                outcome = Outcome.RUNNING_ELSEWHERE.value
                return Result(outcome, issue.issue.web_url, issue.issue.web_url)
            except BaseException as error:
                notes.say_why(taken, error)
                raise


@dataclass(frozen=True, slots=True)
class _StatusNotes:
    """What the status note says in this run."""

    issue: IssueContext
    run: Run

    def working(self, marker: Marker) -> str:
        branch_url = f"{self.issue.project.web_url}/-/tree/{marker.branch}"
        return gitlab_text.working_note(marker, self.run.settings.run_url, branch_url)

    def failed(self, error: BaseException) -> str:
        return gitlab_text.failed_note(_known(error), self.run.run_id, self.run.settings.run_url)

    def say_why(self, taken: Claim, error: BaseException) -> None:
        """Tell the issue how the run ended; never raises, or `error` would be lost."""
        run_id, url = self.run.run_id, self.run.settings.run_url
        try:
            if is_termination(error):
                text = gitlab_text.interrupted_note(run_id, url, str(error))
                taken.end(Phase.INTERRUPTED, text)
            elif isinstance(error, WorkflowsError) and error.retryable:
                taken.end(
                    Phase.INTERRUPTED, gitlab_text.interrupted_note(run_id, url, redact(error.what))
                )
            else:
                taken.end(Phase.FAILED, self.failed(error))
        except WorkflowsError as second:
            _log.error("the issue could not be told how the run ended: %s", redact(second.what))


def _known(error: BaseException) -> WorkflowsError:
    """`error`, or a defect of ours in words that give nothing away."""
    if isinstance(error, WorkflowsError):
        return type(error)(redact(error.what), why=redact(error.why), fix=redact(error.fix))
    return PermanentError(
        f"a defect in Workflows ({type(error).__name__})", fix="see the run's log"
    )


def _claim_request(issue: IssueContext, parameters: Parameters, run: Run) -> claim.ClaimRequest:
    return claim.ClaimRequest(
        project_id=issue.project.id,
        iid=issue.issue.iid,
        own_id=issue.me.id,
        owner=f"{run.run_id}/{uuid.uuid4().hex[:8]}",
        run=run.run_id,
        branch=issue.branch,
        ref=issue.target,
        request=issue.request_id,
        asked=parameters.asked_at,
        asked_at=issue.asked.isoformat(),
        lease_s=run.settings.lease_s,
        refusal=issue.refusal(),
    )


def _leave(gitlab: GitLab, refused: ClaimRefused, issue: IssueContext) -> Result:
    """There is nothing to do for this run; a person's closing of the merge request is noted.

    Raises:
        IssueBusy: there is, but not while another run works.
    """
    if refused.decision is ClaimDecision.LATER:
        raise claim.issue_busy(issue.issue.iid)
    outcome = {
        ClaimDecision.LEAVE: Outcome.RUNNING_ELSEWHERE,
        ClaimDecision.DONE: Outcome.ALREADY_DONE,
        ClaimDecision.FAILED: Outcome.ALREADY_FAILED,
        ClaimDecision.CLOSED: Outcome.CLOSED_BY_PERSON,
    }[refused.decision]
    merge_request = refused.merge_request
    if refused.decision is ClaimDecision.CLOSED and merge_request is not None:
        claim.update_status_note(
            gitlab,
            issue.project.id,
            issue.issue.iid,
            issue.me.id,
            refused.marker,
            gitlab_text.closed_note(f"!{merge_request.iid}"),
        )
    link = merge_request.web_url if merge_request else issue.issue.web_url
    head = refused.marker.head if refused.marker else None
    return Result(outcome.value, issue.issue.web_url, link, refused.branch, head)


def _work(
    gitlab: GitLab, taken: Claim, issue: IssueContext, parameters: Parameters, run: Run
) -> Result:
    """From the claim to the merge request."""

    def before_push(made: Change) -> None:
        taken.keep(head=made.commit.id, evidence=gitlab_text.evidence_facts(made))

    job = _job(issue, parameters, taken.marker, before_push)
    with utility.scratch_folder() as scratch:
        done = delivery.deliver(job, run, scratch)
    taken.check()
    merge_request = run.step(
        "open merge request", _merge_request, gitlab, taken, issue, parameters, done
    )
    evidence = taken.marker.evidence
    text = gitlab_text.done_note(
        f"!{merge_request.iid}", merge_request.web_url, gitlab_text.evidence_block(evidence)
    )
    run.step(
        "write note",
        taken.end,
        Phase.DONE,
        text,
        head=done.commit_id,
        merge_request=merge_request.iid,
    )
    return Result(
        outcome=Outcome.MERGE_REQUEST.value,
        issue=issue.issue.web_url,
        web_url=merge_request.web_url,
        branch=done.branch,
        commit_id=done.commit_id,
        attempts=done.made.attempts if done.made else None,
        agent_s=done.made.agent_s if done.made else None,
        check_s=done.made.check_s if done.made else None,
        check_passed=gitlab_text.evidence_passed(evidence),
    )


def _job(
    issue: IssueContext, parameters: Parameters, marker: Marker | None, before_push: Any
) -> delivery.ChangeJob:
    return delivery.ChangeJob(
        url=GitUrl.parse(issue.project.clone_url),
        branch=marker.branch if marker else issue.branch,
        source_branch=parameters.target_branch,
        request_id=issue.request_id,
        ask=issue.request,
        author=issue.author,
        options=parameters,
        before_push=before_push,
        made_at=marker.base if marker else None,
        pipeline=issue.project.ci_config_path,
    )


def _merge_request(
    gitlab: GitLab, taken: Claim, issue: IssueContext, parameters: Parameters, done: Pushed
) -> MergeRequest:
    """Open the merge request, or bring ours up to date without touching what people wrote."""
    evidence = taken.marker.evidence
    failing = gitlab_text.evidence_passed(evidence) is False
    reviewers = issue.reviewer_ids
    there = gitlab.find_merge_request(issue.project.id, done.branch)  # people may change the target
    report = gitlab_text.merge_request_report(done.made, evidence)
    if there is not None and there.state == "opened":
        return gitlab.update_merge_request(
            issue.project.id,
            there.iid,
            description=gitlab_text.replace_report(there.description, report)
            if done.made
            else None,
            draft=True if failing else None,
        )
    if issue.asker is not None:
        others = (one for one in reviewers if one != issue.asker.id)
        reviewers = (issue.asker.id, *others)
    wish = MergeRequestWish(
        source_branch=done.branch,
        target_branch=issue.target,
        title=gitlab_text.merge_request_title(issue.issue.title),
        description=gitlab_text.merge_request_description(
            report, issue.issue.iid, closes=parameters.closes
        ),
        draft=True,
        labels=parameters.labels,
        assignee_ids=(),
        reviewer_ids=reviewers,
        remove_source_branch=parameters.remove_source_branch,
        squash=parameters.squash,
    )
    return gitlab.open_merge_request(issue.project.id, wish)[0]


def _dry_run(issue: IssueContext, parameters: Parameters, run: Run) -> Result:
    """Everything up to the push, in a scratch folder."""
    job = _job(issue, parameters, None, lambda _: None)
    deadline = time.monotonic() + parameters.timeout_s
    with utility.scratch_folder() as scratch:
        context, done = delivery.prepare(job, run, scratch, deadline)
        made = None if done else rounds.make_change(context)
        repository = context.repository
        request = made.request if made else run.step("read guides", context.ask)
        diff = (
            trees.diff_text(repository, context.base, made.tree, limit_bytes=_SHOWN_DIFF)
            if made
            else ""
        )
    title = gitlab_text.merge_request_title(issue.issue.title)
    steps = [
        f"read issue {issue.issue.iid} with {issue_context.comment_count(issue.comments)}",
        f"the branch {job.branch} from {issue.target}"
        + (", which has this request" if done else ""),
        f"a draft merge request {title} into {issue.target}",
    ]
    return Result(
        outcome=Outcome.DRY_RUN.value,
        issue=issue.issue.web_url,
        web_url=issue.issue.web_url,
        branch=job.branch,
        attempts=made.attempts if made else None,
        check_passed=made.evidence.passed if made and made.evidence else None,
        prompt=request.prompt,
        plan="; ".join(steps),
        diff=redact(diff),
    )


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
