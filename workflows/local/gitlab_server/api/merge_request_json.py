"""The JSON of merge requests in API bodies; part of it is computed by git at each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.gitlab_server.events import payloads
from workflows.local.gitlab_server.git import merging
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import iso
from workflows.local.gitlab_server.state.pipeline_json import pipeline_details_json

if TYPE_CHECKING:
    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, MergeRequest


def merge_request_json(lab: GitLabState, one: MergeRequest) -> Json:
    """A merge request as it stands in lists."""
    status = merging.detailed_status(one)
    broken = status in {"conflict", "need_rebase"}
    draft = payloads.is_draft(one.title)
    old_status = "checking" if status == "checking" else "can_be_merged"
    if status == "conflict":
        old_status = "cannot_be_merged"
    return api_json.noteable_json(lab, one) | {
        "source_project_id": one.project.id,
        "target_project_id": one.project.id,
        "source_branch": one.source_branch,
        "target_branch": one.target_branch,
        "reviewers": [api_json.user_json(lab, person) for person in one.reviewers],
        "draft": draft,
        "work_in_progress": draft,
        "merge_when_pipeline_succeeds": one.auto_merge,
        "merge_status": old_status,
        "detailed_merge_status": status,
        "sha": one.head_sha,
        "merge_commit_sha": one.merge_commit_sha,
        "squash_commit_sha": one.squash_commit_sha,
        "merged_at": iso(one.merged_at),
        "merge_user": api_json.optional_user_json(lab, one.merge_user),
        "merged_by": api_json.optional_user_json(lab, one.merge_user),
        "should_remove_source_branch": None,
        "force_remove_source_branch": one.remove_source_branch,
        "squash": one.squash,
        "squash_on_merge": one.squash,
        "has_conflicts": broken and status == "conflict",
        "blocking_discussions_resolved": not merging.has_unresolved_threads(one),
        "prepared_at": iso(one.prepared_at),
        "allow_collaboration": False,
    }


def merge_request_details_json(call: ApiCall, one: MergeRequest) -> Json:
    """A merge request by itself; what is not computed yet is null."""
    lab, ready = call.lab, one.unprepared_reads <= 0
    pipeline = merging.head_pipeline(one)
    shas = {"base_sha": one.base_sha, "head_sha": one.head_sha, "start_sha": one.start_sha}
    found = merge_request_json(lab, one) | {
        "subscribed": call.asker is one.author,
        "changes_count": str(one.changes_count) if ready and one.changes_count else None,
        "diff_refs": shas if ready and one.base_sha else None,
        "head_pipeline": pipeline_details_json(lab, pipeline) if pipeline else None,
        "merge_error": one.merge_error,
        "user": {"can_merge": lab.may_merge(one.project, call.asker, one.target_branch)},
        "first_contribution": False,
    }
    if call.flag("include_rebase_in_progress"):
        found["rebase_in_progress"] = False
    if call.flag("include_diverged_commits_count") and one.head_sha:
        target = one.project.repository.resolve(f"refs/heads/{one.target_branch}")
        behind = one.project.repository.count(one.head_sha, target) if target else 0
        found["diverged_commits_count"] = behind
    return found
