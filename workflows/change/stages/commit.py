"""From an attempt to a change: the policy judges the tree, and what may stay is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.change.change import Change
from workflows.change.policy import policy
from workflows.change.stages.attempt import numbered
from workflows.change.trees import paths, trees
from workflows.core.errors import AgentFailed, NoChange

if TYPE_CHECKING:
    from workflows.change.stages.attempt import Attempt, AttemptContext
    from workflows.core.flow import Run
    from workflows.tasks.agents.agent import AgentReport


def commit_attempt(context: AttemptContext, attempt: Attempt, run: Run) -> Change:
    """Judge the tree and commit it on top of the base. May be run again.

    Raises:
        ChangeRefused: it touches what the policy protects.
        NoChange: nothing is changed, or nothing that belongs into a commit.
        AgentFailed: the same, and the agent ended with an exit code other than 0.
    """
    return run.step(numbered("commit", attempt.number), _commit, context, attempt)


def _commit(context: AttemptContext, attempt: Attempt) -> Change:
    base = context.base
    repository, request, tree = base.repository, base.request, attempt.tree
    decision = policy.judge_changes(
        trees.file_changes(repository, base.commit, tree), context.limits
    )
    refusal = decision.refusal()
    if refusal is not None:
        raise refusal
    if not decision.allowed:
        unwanted = [paths.shown_path(one.path) for one, _ in decision.left_out]
        raise _nothing_to_commit(base.agent.name, attempt.reports[-1], unwanted)
    left_out = [one.path for one, _ in decision.left_out]
    kept = trees.tree_without(repository, base.commit, tree, left_out) if left_out else tree
    commit = trees.commit_tree(
        repository,
        kept,
        parent=base.commit,
        author=request.author,
        message=request.commit_message(),
        co_authors=request.co_authors,
    )
    return Change(
        commit=commit,
        stat=trees.change_stat(repository, base.commit, kept),
        paths=tuple(paths.shown_path(one.path) for one in decision.allowed),
        tree=kept,
        attempts=attempt.number,
        reports=attempt.reports,
        agent=base.agent.name,
        left_out=tuple(f"{paths.shown_path(c.path)} ({r.name})" for c, r in decision.left_out),
        ci_skip=decision.ci_skip,
    )


def _nothing_to_commit(
    agent: str, report: AgentReport, left_out: list[str]
) -> NoChange | AgentFailed:
    if report.exit_code:
        return AgentFailed(
            f"{agent} ended with exit code {report.exit_code} and changed nothing",
            why=report.last_lines,
            fix="read its output above, and check its model and key",
        )
    unwanted = f"only files that are not committed: {', '.join(left_out[:5])}" if left_out else ""
    return NoChange(
        f"{agent} changed nothing",
        why=unwanted or report.last_lines,
        fix="say more exactly what is to be changed, and where",
    )
