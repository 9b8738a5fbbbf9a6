"""Follows up changed branches: events, new versions of merge requests, closed issues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.gitlab_server.actions import closing_pattern, editing
from workflows.local.gitlab_server.events import payloads, webhooks
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.repository import ZEROS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import (
        BranchChange,
        Issue,
        Json,
        MergeRequest,
        Project,
        User,
    )
    from workflows.local.gitlab_server.state.repository import GitCommit

_MOST_BRANCHES = 3
_MOST_COMMITS = 20


def branches_moved(
    lab: GitLabState, project: Project, actor: User, changes: Iterable[BranchChange]
) -> None:
    """Follow up branches that were created, moved or deleted, by git or by the API."""
    listed = list(changes)
    for one in listed:
        commits = _new_commits(project, one)
        if len(listed) <= _MOST_BRANCHES:
            _fire_push_event(lab, project, actor, one, commits)
        if one.new == ZEROS:
            continue
        _update_merge_requests(lab, project, actor, one)
        if one.branch == project.default_branch and one.old != ZEROS:
            for commit in commits:
                close_issues_named_in(lab, project, actor, commit.message, f"commit {commit.id}")


def _new_commits(project: Project, one: BranchChange) -> list[GitCommit]:
    """The commits that a push brought, oldest first."""
    if one.new == ZEROS:
        return []
    known = f"^{one.old}" if one.old != ZEROS else ""
    if not known:
        root = project.repository.resolve(f"refs/heads/{project.default_branch}")
        known = f"^{root}" if root and root != one.new else ""
    revisions = [one.new, known] if known else [one.new]
    return project.repository.commits(revisions, "--reverse")


def _fire_push_event(
    lab: GitLabState, project: Project, actor: User, one: BranchChange, commits: list[GitCommit]
) -> None:
    if not any("push_events" in hook.events for hook in project.hooks.values()):
        return
    gone = one.new == ZEROS
    body = {
        "object_kind": "push",
        "event_name": "push",
        "before": one.old,
        "after": one.new,
        "ref": f"refs/heads/{one.branch}",
        "ref_protected": False,
        "checkout_sha": None if gone else one.new,
        "user_id": actor.id,
        "user_name": actor.name,
        "user_username": actor.username,
        "user_email": "",
        "user_avatar": None,
        "project_id": project.id,
        "project": payloads.project_payload(lab, project),
        "repository": payloads.repository_payload(lab, project),
        "commits": [_pushed(lab, project, commit) for commit in commits[-_MOST_COMMITS:]],
        "total_commits_count": len(commits),
        "push_options": _nested(one.push_options),
    }
    webhooks.fire_event(lab, project, "push_events", body, branch=one.branch)


def _nested(options: Iterable[str]) -> Json:
    """Push options as a webhook has them: `ci.skip` is `{"ci": {"skip": true}}`."""
    found: Json = {}
    for option in options:
        key, has_value, value = option.partition("=")
        group, _, name = key.partition(".")
        found.setdefault(group, {})[name] = value if has_value else True
    return found


def _pushed(lab: GitLabState, project: Project, commit: GitCommit) -> Json:
    parent = commit.parents[0] if commit.parents else None
    files: dict[str, list[str]] = {"added": [], "modified": [], "removed": []}
    for one in project.repository.diff(parent, commit.id):
        kind = {"A": "added", "D": "removed"}.get(one.status, "modified")
        files[kind].append(one.new_path)
    return payloads.commit_payload(lab, project, commit) | files


def _update_merge_requests(
    lab: GitLabState, project: Project, actor: User, one: BranchChange
) -> None:
    for request in project.merge_requests.values():
        if request.state != "opened":
            continue
        if request.source_branch == one.branch and request.head_sha != one.new:
            before = payloads.noteable_snapshot(request)
            old = request.head_sha
            refresh_version(request)
            request.updated_at = lab.now()
            editing.system_note(lab, request, actor, _added(project, old, one.new))
            webhooks.fire_noteable_event(lab, request, actor, "update", before, oldrev=old or ZEROS)
        elif request.target_branch == one.branch and _arrived(project, request, one.new):
            mark_merged(lab, request, actor, None)


def _added(project: Project, old: str | None, new: str) -> str:
    count = project.repository.count(old, new) if old else 1
    return f"added {count} commit{'' if count == 1 else 's'}"


def _arrived(project: Project, request: MergeRequest, target: str) -> bool:
    head = request.head_sha
    some = head is not None and head != request.base_sha
    return bool(some and project.repository.is_ancestor(head or "", target))


def refresh_version(request: MergeRequest) -> None:
    """Read the commits of a merge request from its branches as they are now."""
    repository = request.project.repository
    heads = repository.branches()
    head, target = heads.get(request.source_branch), heads.get(request.target_branch)
    request.head_sha, request.start_sha = head, target
    request.base_sha = repository.merge_base(head, target) if head and target else None
    changed = repository.diff(request.base_sha, head) if head and request.base_sha else []
    request.changes_count = len(changed)


def mark_merged(
    lab: GitLabState, request: MergeRequest, actor: User, merge_commit: str | None
) -> None:
    """Set a merge request to merged; one to the default branch closes its issues."""
    before = payloads.noteable_snapshot(request)
    request.state, request.merged_at, request.merge_user = "merged", lab.now(), actor
    request.merge_commit_sha = merge_commit
    request.updated_at = request.merged_at
    editing.state_event(lab, request, actor)
    webhooks.fire_noteable_event(lab, request, actor, "merge", before)
    if request.target_branch == request.project.default_branch:
        for issue in issues_closed_by(lab, request):
            _close(lab, issue, actor, f"merge request !{request.iid}")


def issues_closed_by(lab: GitLabState, request: MergeRequest) -> list[Issue]:
    """The issues that this merge request closes (or closed) when it is merged."""
    project = request.project
    texts = [request.description or ""]
    if request.head_sha and request.base_sha:
        revisions = [request.head_sha, f"^{request.base_sha}"]
        texts += [commit.message for commit in project.repository.commits(revisions)]
    found = [issue for text in texts for issue in issues_named_in(lab, project, text)]
    number = closing_pattern.issue_of_branch(request.source_branch)
    if number in project.issues:
        found.append(project.issues[number])
    return list(dict.fromkeys(found))


def issues_named_in(lab: GitLabState, project: Project, text: str) -> list[Issue]:
    """The issues that a text closes, in this project and in others."""
    found = []
    for reference in closing_pattern.closing_references(text, lab.url):
        where = lab.find_project(reference.path) if reference.path else project
        issue = where.issues.get(reference.iid) if where else None
        if issue:
            found.append(issue)
    return found


def close_issues_named_in(
    lab: GitLabState, project: Project, actor: User, text: str, by: str
) -> None:
    """Close what a commit message closes."""
    for issue in issues_named_in(lab, project, text):
        _close(lab, issue, actor, by)


def _close(lab: GitLabState, issue: Issue, actor: User, by: str) -> None:
    allowed = issue.project.autoclose_referenced_issues and editing.may_edit(lab, issue, actor)
    if allowed and issue.state == "opened":
        editing.edit(lab, issue, actor, {"state_event": "close"})
        editing.system_note(lab, issue, actor, f"closed via {by}")


def note_in_named_issues(lab: GitLabState, request: MergeRequest) -> None:
    """Add a system note about a new merge request to the issues that it closes."""
    for issue in issues_closed_by(lab, request):
        link = api_json.noteable_json(lab, request)["references"]["short"]
        editing.system_note(lab, issue, request.author, f"mentioned in merge request {link}")
