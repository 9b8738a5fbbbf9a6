"""From a pushed branch to its one merge request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.change.wording import merge_request as wording
from workflows.tasks.gitlab import MergeRequestFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.change.issue_options import IssueOptions
    from workflows.change.stages.issue import IssueContext
    from workflows.change.stages.push import Pushed
    from workflows.tasks.gitlab import GitLab, MergeRequest


def open_merge_request(
    gitlab: GitLab,
    context: IssueContext,
    pushed: Pushed,
    evidence: Mapping[str, object] | None,
    options: IssueOptions,
) -> MergeRequest:
    """Open the branch's merge request, or bring ours up to date. May be run again.

    What people wrote in an open one stays: only our own part of the description is replaced.
    """
    project_id, iid = context.project.id, context.issue.iid
    report = wording.merge_request_report(pushed.change, evidence)
    there = gitlab.find_merge_request(project_id, pushed.branch)  # people may change the target
    if there is not None and there.state == "opened":
        failing = wording.evidence_passed(evidence) is False
        text = wording.replace_report(there.description, report) if pushed.change else None
        return gitlab.update_merge_request(
            project_id, there.iid, description=text, draft=True if failing else None
        )
    reviewers = context.reviewer_ids
    if context.asker is not None:
        asker_id = context.asker.id
        reviewers = (asker_id, *(one for one in reviewers if one != asker_id))
    wanted = MergeRequestFields(
        source_branch=pushed.branch,
        target_branch=context.target,
        title=wording.merge_request_title(context.issue.title),
        description=wording.merge_request_description(report, iid, closes=options.closes),
        draft=True,
        labels=options.labels,
        assignee_ids=(),
        reviewer_ids=reviewers,
        remove_source_branch=options.remove_source_branch,
        squash=options.squash,
    )
    return gitlab.open_merge_request(project_id, wanted)[0]
