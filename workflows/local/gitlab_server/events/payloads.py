"""The bodies of webhooks. GitLab names and formats fields differently than in its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import FINISHED, Issue, MergeRequest, iso

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import (
        Discussion,
        Json,
        Label,
        Note,
        Noteable,
        Pipeline,
        Project,
        User,
    )
    from workflows.local.gitlab_server.state.repository import GitCommit

_VISIBILITY = {"private": 0, "internal": 10, "public": 20}
_STATES = {"opened": 1, "closed": 2, "merged": 3, "locked": 4}


def user_payload(one: User) -> Json:
    """A user; the e-mail address is redacted."""
    return {
        "id": one.id,
        "name": one.name,
        "username": one.username,
        "avatar_url": None,
        "email": "[REDACTED]",
    }


def project_payload(lab: GitLabState, one: Project) -> Json:
    """The project object that every body has."""
    url = api_json.project_url(lab, one)
    host = lab.url.partition("://")[2].partition("/")[0].partition(":")[0]
    ssh = f"git@{host}:{one.path}.git"
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "web_url": url,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": f"{url}.git",
        "namespace": one.namespace.path,
        "visibility_level": _VISIBILITY[one.visibility],
        "path_with_namespace": one.path,
        "default_branch": one.default_branch,
        "ci_config_path": "",
        "homepage": url,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": f"{url}.git",
    }


def repository_payload(lab: GitLabState, one: Project) -> Json:
    """The older and shorter project object."""
    found = project_payload(lab, one)
    return {name: found[name] for name in ("name", "url", "description", "homepage")}


def label_payload(one: Label, within: Project) -> Json:
    """A label; here its name is a title."""
    return {
        "id": one.id,
        "title": one.name,
        "color": one.color,
        "project_id": within.id,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.created_at),
        "template": False,
        "description": one.description,
        "type": "ProjectLabel",
        "group_id": None,
    }


def label_payloads(one: Noteable) -> list[Json]:
    """The labels of an issue or merge request, sorted by name."""
    return [label_payload(each, one.project) for each in sorted(one.labels, key=lambda x: x.name)]


def common_attributes(lab: GitLabState, one: Noteable) -> Json:
    """What issues and merge requests have in common in `object_attributes`."""
    assignees = [person.id for person in one.assignees]
    return {
        "id": one.id,
        "iid": one.iid,
        "title": one.title,
        "description": one.description,
        "state": one.state,
        "state_id": _STATES[one.state],
        "author_id": one.author.id,
        "assignee_id": assignees[0] if assignees else None,
        "assignee_ids": assignees,
        "labels": label_payloads(one),
        "milestone_id": None,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "closed_at": iso(one.closed_at),
        "discussion_locked": one.discussion_locked,
        "url": api_json.noteable_url(lab, one),
    }


def issue_attributes(lab: GitLabState, one: Issue) -> Json:
    """`object_attributes` of an issue."""
    return common_attributes(lab, one) | {
        "project_id": one.project.id,
        "confidential": one.confidential,
        "due_date": one.due_date,
        "type": one.issue_type.capitalize(),
        "severity": "unknown",
        "weight": None,
    }


def merge_request_attributes(lab: GitLabState, one: MergeRequest) -> Json:
    """`object_attributes` of a merge request."""
    draft = is_draft(one.title)
    where = project_payload(lab, one.project)
    head = one.project.repository.commit(one.head_sha) if one.head_sha else None
    return common_attributes(lab, one) | {
        "source_branch": one.source_branch,
        "target_branch": one.target_branch,
        "source_project_id": one.project.id,
        "target_project_id": one.project.id,
        "source": where,
        "target": where,
        "last_commit": commit_payload(lab, one.project, head) if head else None,
        "draft": draft,
        "work_in_progress": draft,
        "merge_status": "can_be_merged" if one.head_sha else "unchecked",
        "detailed_merge_status": "draft_status" if draft else "mergeable",
        "merge_commit_sha": one.merge_commit_sha,
        "merge_error": one.merge_error,
        "merge_user_id": one.merge_user.id if one.merge_user else None,
        "head_pipeline_id": None,
        "reviewer_ids": [person.id for person in one.reviewers],
        "blocking_discussions_resolved": True,
        "prepared_at": iso(one.prepared_at),
    }


def is_draft(title: str) -> bool:
    """Whether a title marks a draft."""
    return title.lower().startswith(("draft:", "[draft]", "(draft)"))


def commit_payload(lab: GitLabState, within: Project, one: GitCommit) -> Json:
    """A commit in a push or a merge request."""
    return {
        "id": one.id,
        "message": one.message,
        "title": one.title,
        "timestamp": one.committed_at.isoformat(),
        "url": f"{api_json.project_url(lab, within)}/-/commit/{one.id}",
        "author": {"name": one.author.name, "email": one.author.email},
    }


def event_head(lab: GitLabState, kind: str, event_type: str, actor: User, within: Project) -> Json:
    """The fields that most bodies begin with."""
    return {
        "object_kind": kind,
        "event_type": event_type,
        "user": user_payload(actor),
        "project": project_payload(lab, within),
        "repository": repository_payload(lab, within),
    }


def noteable_attributes(lab: GitLabState, one: Noteable) -> Json:
    """`object_attributes` of an issue or a merge request."""
    if isinstance(one, Issue):
        return issue_attributes(lab, one)
    if isinstance(one, MergeRequest):
        return merge_request_attributes(lab, one)
    raise TypeError(type(one))


def noteable_payload(
    lab: GitLabState, one: Noteable, actor: User, action: str, changes: Json, **more: str
) -> Json:
    """The body of an issue hook or a merge request hook."""
    is_issue = isinstance(one, Issue)
    kind = "issue" if is_issue else "merge_request"
    event = "confidential_issue" if isinstance(one, Issue) and one.confidential else kind
    body = event_head(lab, kind, event, actor, one.project) | {
        "object_attributes": noteable_attributes(lab, one) | {"action": action} | more,
        "labels": label_payloads(one),
        "changes": changes,
        "assignees": [user_payload(person) for person in one.assignees],
    }
    if isinstance(one, MergeRequest):
        body["reviewers"] = [user_payload(person) for person in one.reviewers]
    return body


def noteable_snapshot(one: Noteable) -> Json:
    """The fields whose changes a webhook reports; see `changed_fields`."""
    found: Json = {
        "title": one.title,
        "description": one.description,
        "labels": label_payloads(one),
        "assignees": [user_payload(person) for person in one.assignees],
        "state_id": _STATES[one.state],
        "closed_at": iso(one.closed_at),
        "updated_at": iso(one.updated_at),
        "discussion_locked": one.discussion_locked,
    }
    if isinstance(one, Issue):
        found |= {"confidential": one.confidential, "due_date": one.due_date}
    if isinstance(one, MergeRequest):
        found |= {
            "target_branch": one.target_branch,
            "draft": is_draft(one.title),
            "reviewers": [user_payload(person) for person in one.reviewers],
        }
    return found


def changed_fields(before: Json, after: Json) -> Json:
    """The fields that differ, with both values."""
    return {
        name: {"previous": before.get(name), "current": value}
        for name, value in after.items()
        if before.get(name) != value
    }


def note_payload(
    lab: GitLabState, one: Note, on: Noteable, discussion: Discussion, action: str
) -> Json:
    """The body of a note hook."""
    hidden = one.internal or (isinstance(on, Issue) and on.confidential)
    event = "confidential_note" if hidden else "note"
    kind = api_json.noteable_kind(on)
    body = event_head(lab, "note", event, one.author, on.project)
    body["project_id"] = on.project.id
    body["object_attributes"] = {
        "id": one.id,
        "note": one.body,
        "description": one.body,
        "noteable_type": kind,
        "noteable_id": on.id,
        "author_id": one.author.id,
        "project_id": on.project.id,
        "internal": one.internal,
        "system": one.system,
        "action": action,
        "discussion_id": discussion.id,
        "type": None if discussion.individual else "DiscussionNote",
        "commit_id": None,
        "line_code": None,
        "attachment": None,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "url": f"{api_json.noteable_url(lab, on)}#note_{one.id}",
    }
    body["issue" if kind == "Issue" else "merge_request"] = noteable_attributes(lab, on)
    return body


def pipeline_payload(lab: GitLabState, one: Pipeline, status: str) -> Json:
    """The body of a pipeline hook."""
    found = one.project.repository.commit(one.sha)
    builds = [
        {
            "id": job.id,
            "stage": job.stage,
            "name": job.name,
            "status": job.status,
            "created_at": iso(job.created_at),
            "failure_reason": job.failure_reason,
            "allow_failure": job.allow_failure,
            "duration": job.duration_s,
            "manual": False,
            "when": "on_success",
        }
        for job in one.jobs
    ]
    body = event_head(lab, "pipeline", "pipeline", one.user, one.project)
    del body["event_type"], body["repository"]
    return body | {
        "object_attributes": {
            "id": one.id,
            "iid": one.iid,
            "name": None,
            "ref": one.ref,
            "tag": False,
            "sha": one.sha,
            "before_sha": "0" * 40,
            "source": one.source,
            "status": status,
            "detailed_status": "passed" if status == "success" else status,
            "stages": sorted({job.stage for job in one.jobs}),
            "created_at": iso(one.created_at),
            "finished_at": iso(one.updated_at) if status in FINISHED else None,
            "duration": None,
            "queued_duration": None,
            "variables": [],
            "url": f"{api_json.project_url(lab, one.project)}/-/pipelines/{one.id}",
        },
        "merge_request": None,
        "commit": commit_payload(lab, one.project, found),
        "builds": builds,
        "source_pipeline": None,
    }
