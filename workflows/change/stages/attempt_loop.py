"""From a base to a change with evidence: attempt, commit and check, until the check passes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workflows.change.options import PushFailing
from workflows.change.stages.attempt import run_attempt
from workflows.change.stages.check import check_change
from workflows.change.stages.commit import commit_attempt
from workflows.change.wording.prompt import feedback_prompt
from workflows.core.errors import ChecksFailed
from workflows.core.observability import logger

if TYPE_CHECKING:
    from workflows.change.change import Change, Evidence
    from workflows.change.stages.attempt import AttemptContext
    from workflows.core.flow import Run
    from workflows.tasks.agents.agent import AgentReport

_log = logger("change")


def make_change(context: AttemptContext, run: Run) -> Change:
    """Let the agent try until the check passes, at most `options.max_attempts` times.

    It stops early where an attempt changed nothing more, or the check had all the time left.

    Raises:
        NoChange: the agent changed nothing, or nothing that belongs into a commit.
        AgentFailed: it ended badly without a change, or time ran out.
        ChangeRefused: it touched what the policy protects.
        ChecksFailed: the check still fails, and the options say not to push that.
    """
    options, prompt = context.base.request.options, context.prompt
    reports: tuple[AgentReport, ...] = ()
    failing: Change | None = None
    last_tree = ""
    while len(reports) < options.max_attempts:
        attempt = run_attempt(context, prompt, reports, run)
        reports = attempt.reports
        if failing is not None and attempt.tree == last_tree:
            break
        last_tree = attempt.tree
        change = commit_attempt(context, attempt, run)
        if not options.check_command:
            return change
        evidence = check_change(context, change, run)
        change = replace(change, evidence=evidence)
        if evidence.passed:
            return change
        failing = change
        if evidence.timed_out:
            break
        _log.warning("the checks fail: exit code %d", evidence.exit_code)
        prompt = feedback_prompt(
            context.prompt, evidence.command, evidence.exit_code, evidence.last_lines
        )
    assert failing is not None  # noqa: S101 - the loop ran, and returned unless the check failed
    if options.push_failing is PushFailing.DRAFT:
        return failing
    assert failing.evidence is not None  # noqa: S101 - set above
    raise _checks_failed(failing.evidence, len(reports))


def _checks_failed(evidence: Evidence, attempts: int) -> ChecksFailed:
    end = "ran out of time" if evidence.timed_out else f"exit code {evidence.exit_code}"
    noun = "attempt" if attempts == 1 else "attempts"
    return ChecksFailed(
        f"the checks still fail after {attempts} {noun}: {evidence.command} ({end})",
        why=evidence.last_lines,
        fix="nothing was pushed; raise --max-attempts, or use --push-failing draft to see it",
    )
