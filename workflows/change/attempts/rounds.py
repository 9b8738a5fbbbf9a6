"""Attempt by attempt: the agent edits, the policy judges the tree, the checks run on the commit.

Nothing is pushed here, and nothing an agent says is believed: what counts is the tree it left and
how the project's own checks end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workflows.change.attempts import checks
from workflows.change.options import PushFailing
from workflows.change.policy import policy
from workflows.change.trees import paths, seal, trees, worktree
from workflows.core.errors import AgentFailed, ChecksFailed, NoChange
from workflows.core.observability import logger
from workflows.tasks.agents.agent import Assignment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workflows.change.attempts.checks import Evidence
    from workflows.change.options import ChangeOptions
    from workflows.change.request import Request
    from workflows.core.flow import Run
    from workflows.core.git.commit_text import CommitIdentity
    from workflows.tasks.agents.agent import Agent, AgentReport
    from workflows.tasks.git import Commit, Repository

_log = logger("change")
_MAX_CI_BYTES = 1_000_000
_PIPELINE = ".gitlab-ci.yml"
_FEEDBACK = """{prompt}

You have already edited the working directory for this. The project's check command then failed:

    {command}
    exit code {exit_code}{late}

The end of its output:

{output}

Go on from the files as they are now and make the checks pass. Do not weaken or remove tests.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that the policy allows, on the current branch of the clone; not pushed.

    `evidence` is None without a check command. `left_out` names files the agent wrote that are
    not in the commit, with the rule. `ci_skip`: the push must not start a pipeline.
    """

    request: Request
    commit: Commit
    stat: trees.ChangeStat
    paths: tuple[str, ...]
    tree: str
    evidence: Evidence | None
    attempts: int
    reports: tuple[AgentReport, ...]
    agent: str
    left_out: tuple[str, ...]
    ci_skip: bool

    @property
    def agent_s(self) -> float:
        """Seconds the agent took in all attempts."""
        return round(sum(report.duration_s for report in self.reports), 3)

    @property
    def check_s(self) -> float | None:
        """Seconds the last check took; None without one."""
        return round(self.evidence.seconds, 3) if self.evidence else None


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What all attempts at one request share. `base` is the commit they start from, or None."""

    run: Run
    repository: Repository
    base: str | None
    ask: Callable[[], Request]  # reads the guides: cheap once the base's files are exported
    options: ChangeOptions
    agent: Agent
    author: CommitIdentity
    scratch: Path
    log: Path
    deadline: float  # of time.monotonic()
    pipeline: str | None = None  # the file in place of .gitlab-ci.yml

    def remaining(self) -> float:
        """Seconds left for all that is still to be done.

        Raises:
            AgentFailed: none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise AgentFailed(
                f"no time is left after {self.options.timeout_s:g} s",
                fix="raise --timeout-s, or ask for less at once",
            )
        return left

    def note(self, line: str) -> None:
        """Show a line of output as live progress."""
        self.run.note(line[:100])


def make_change(context: AttemptContext) -> Change:
    """Let the agent try until the checks pass, at most `options.max_attempts` times.

    Raises:
        NoChange: the agent changed nothing (or nothing that belongs into a commit).
        AgentFailed: it ended badly without a change, or time ran out.
        ChangeRefused: it touched what the policy protects.
        ChecksFailed: the checks still fail, and the options say not to push that.
    """
    run, options = context.run, context.options
    folder, home = context.scratch / "work", context.scratch / "agent-home"
    home.mkdir()
    run.step("export files", worktree.export_files, context.repository, context.base, folder)
    limits = run.step("read limits", _limits, context)
    request = run.step("read guides", context.ask)
    prompt = request.prompt
    reports: list[AgentReport] = []
    tree, failing = "", None
    for attempt in range(1, options.max_attempts + 1):
        again = f" (attempt {attempt})" if attempt > 1 else ""
        assignment = Assignment(
            folder,
            prompt,
            home,
            context.log,
            context.remaining(),
            hidden=(context.repository.folder,),
        )
        reports.append(run.step("agent edits" + again, _edit, context, assignment))
        before, tree = (
            tree,
            run.step(
                "read changes" + again,
                worktree.snapshot_folder,
                context.repository,
                context.base,
                folder,
            ),
        )
        if failing is not None and tree == before:
            break  # it has nothing more to offer
        made = run.step("commit" + again, _commit, context, request, tree, limits, reports)
        if not options.check_command:
            return made
        evidence = run.step("check" + again, _check, context, made.commit.id)
        failing = replace(made, evidence=evidence)
        if evidence.passed:
            return failing
        if evidence.timed_out:
            break  # it had all the time that was left
        _log.warning("the checks fail: exit code %d", evidence.exit_code)
        prompt = _feedback(request.prompt, evidence)
    assert failing is not None  # noqa: S101 - the loop ran, and returned unless the checks failed
    if options.push_failing is PushFailing.DRAFT:
        return failing
    raise _checks_failed(failing, len(reports))


def _edit(context: AttemptContext, assignment: Assignment) -> AgentReport:
    """Run the agent once, with our own clone under seal."""
    with seal.guard_clone(context.repository):
        report = context.agent.edit(assignment, context.note)
    if report.timed_out:
        raise AgentFailed(
            f"{context.agent.name} did not end within {assignment.timeout_s:.0f} s",
            why=report.last_lines,
            fix="raise --timeout-s, or ask for less at once",
        )
    return report


def _commit(
    context: AttemptContext,
    request: Request,
    tree: str,
    limits: policy.PolicyLimits,
    reports: list[AgentReport],
) -> Change:
    """Judge the tree and commit what may stay, on top of the base. May be run again."""
    repository, base = context.repository, context.base
    decision = policy.judge_changes(trees.file_changes(repository, base, tree), limits)
    refusal = decision.refusal()
    if refusal is not None:
        raise refusal
    if not decision.allowed:
        raise _nothing(
            context, reports[-1], [paths.shown_path(c.path) for c, _ in decision.left_out]
        )
    left_out = tuple(f"{paths.shown_path(c.path)} ({rule.name})" for c, rule in decision.left_out)
    unwanted = [change.path for change, _ in decision.left_out]
    kept = trees.tree_without(repository, base, tree, unwanted) if unwanted else tree
    commit = trees.commit_tree(
        repository,
        kept,
        parent=base,
        author=context.author,
        message=request.commit_message(),
        co_authors=request.co_authors,
    )
    return Change(
        request=request,
        commit=commit,
        stat=trees.change_stat(repository, base, kept),
        paths=tuple(paths.shown_path(change.path) for change in decision.allowed),
        tree=kept,
        evidence=None,
        attempts=len(reports),
        reports=tuple(reports),
        agent=context.agent.name,
        left_out=left_out,
        ci_skip=decision.ci_skip,
    )


def _nothing(
    context: AttemptContext, report: AgentReport, left_out: list[str]
) -> NoChange | AgentFailed:
    """Why there is nothing to commit: the agent ended badly, or did not want to."""
    if report.exit_code:
        return AgentFailed(
            f"{context.agent.name} ended with exit code {report.exit_code} and changed nothing",
            why=report.last_lines,
            fix="see what it says, and whether its model and key are right",
        )
    unwanted = f"only files that are not committed: {', '.join(left_out[:5])}" if left_out else ""
    return NoChange(
        f"{context.agent.name} changed nothing",
        why=unwanted or report.last_lines,
        fix="say more exactly what is to be changed, and where",
    )


def _check(context: AttemptContext, commit_id: str) -> Evidence:
    return checks.run_check(
        context.repository,
        commit_id,
        context.options.check_command,
        settings=context.run.settings,
        scratch=context.scratch,
        log=context.log,
        timeout_s=context.remaining(),
        on_line=context.note,
    )


def _limits(context: AttemptContext) -> policy.PolicyLimits:
    """The operator's limits, and the files the base's own pipeline is made of."""
    settings = context.run.settings

    def read(path: str) -> str | None:
        if context.base is None:
            return None
        return trees.read_file(context.repository, context.base, path, limit_bytes=_MAX_CI_BYTES)

    included: frozenset[str] = frozenset()
    own = [context.pipeline] if context.pipeline else []
    roots = [*own, *([_PIPELINE] if read(_PIPELINE) is not None else [])]
    if roots:
        from workflows.change.policy.ci_files import included_ci_files  # noqa: PLC0415

        included = frozenset().union(*(included_ci_files(read, root) for root in roots))
    return policy.PolicyLimits(
        max_files=settings.max_changed_files,
        max_file_bytes=settings.max_file_bytes,
        allowed=settings.protected_paths_allowed,
        included_ci=included,
    )


def _feedback(prompt: str, evidence: Evidence) -> str:
    return _FEEDBACK.format(
        prompt=prompt,
        command=evidence.command,
        exit_code=evidence.exit_code,
        late=" (out of time)" if evidence.timed_out else "",
        output=evidence.last_lines,
    )


def _checks_failed(made: Change, attempts: int) -> ChecksFailed:
    assert made.evidence is not None  # noqa: S101 - only called for failing evidence
    end = "ran out of time" if made.evidence.timed_out else f"exit code {made.evidence.exit_code}"
    noun = "attempt" if attempts == 1 else "attempts"
    return ChecksFailed(
        f"the checks still fail after {attempts} {noun}: {made.evidence.command} ({end})",
        why=made.evidence.last_lines,
        fix="nothing was pushed; raise --max-attempts, or use --push-failing draft to see it",
    )
