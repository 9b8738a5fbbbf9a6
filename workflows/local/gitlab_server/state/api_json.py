"""The JSON of people, projects, labels, notes, issues and commits in API bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workflows.local.gitlab_server.state.model import Issue, iso

if TYPE_CHECKING:
    from datetime import datetime

    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import (
        Discussion,
        Json,
        Label,
        Member,
        Note,
        Noteable,
        Project,
        Protection,
        User,
    )
    from workflows.local.gitlab_server.state.repository import FileDiff, GitCommit

_TASK = re.compile(r"^[^\S\n]*(?:[-*+]|\d+[.)]) \[([ xX])\] ", re.MULTILINE)
_TRAILER = re.compile(r"([A-Za-z0-9-]+): (.+)")
_LEVEL_NAMES = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers", 60: "Admins"}
_NO_TIME = {
    "time_estimate": 0,
    "total_time_spent": 0,
    "human_time_estimate": None,
    "human_total_time_spent": None,
}


def user_json(lab: GitLabState, one: User) -> Json:
    """The user object that API bodies share."""
    return {
        "id": one.id,
        "username": one.username,
        "name": one.name,
        "state": one.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"{lab.url}/{one.username}",
    }


def optional_user_json(lab: GitLabState, one: User | None) -> Json | None:
    """A user, or null."""
    return user_json(lab, one) if one else None


def member_json(lab: GitLabState, one: Member) -> Json:
    """A member: the user with the access level."""
    expires = one.expires_at.isoformat() if one.expires_at else None
    return user_json(lab, one.user) | {
        "access_level": one.level,
        "expires_at": expires,
        "membership_state": "active",
    }


def namespace_json(lab: GitLabState, project: Project) -> Json:
    """The group or person that a project is in."""
    space = project.namespace
    parent = lab.namespaces.get(space.path.rpartition("/")[0])
    prefix = "" if space.kind == "user" else "groups/"
    return {
        "id": space.id,
        "name": space.path.rpartition("/")[2],
        "path": space.path.rpartition("/")[2],
        "kind": space.kind,
        "full_path": space.path,
        "parent_id": parent.id if parent else None,
        "avatar_url": None,
        "web_url": f"{lab.url}/{prefix}{space.path}",
    }


def project_url(lab: GitLabState, project: Project) -> str:
    """URL of the page of a project."""
    return f"{lab.url}/{project.path}"


def project_json(lab: GitLabState, one: Project, asker: User | None) -> Json:
    """A project; `permissions` leave out what is inherited, as GitLab's do."""
    own = one.members.get(asker.id) if asker else None
    group = one.namespace.members.get(asker.id) if asker else None
    host = lab.url.partition("://")[2].partition("/")[0].partition(":")[0]
    branches = one.repository.branches()
    return {
        "id": one.id,
        "description": one.description,
        "name": one.name,
        "name_with_namespace": " / ".join(one.path.split("/")),
        "path": one.path.rpartition("/")[2],
        "path_with_namespace": one.path,
        "created_at": iso(one.created_at),
        "default_branch": one.default_branch if branches else None,
        "ssh_url_to_repo": f"git@{host}:{one.path}.git",
        "http_url_to_repo": f"{project_url(lab, one)}.git",
        "web_url": project_url(lab, one),
        "readme_url": f"{project_url(lab, one)}/-/blob/{one.default_branch}/README.md",
        "last_activity_at": iso(one.created_at),
        "namespace": namespace_json(lab, one),
        "empty_repo": not branches,
        "archived": one.archived,
        "visibility": one.visibility,
        "issues_enabled": True,
        "merge_requests_enabled": one.merge_requests_enabled,
        "jobs_enabled": True,
        "ci_config_path": one.ci_config_path,
        "merge_method": one.merge_method,
        "squash_option": one.squash_option,
        "remove_source_branch_after_merge": one.remove_source_branch_after_merge,
        "only_allow_merge_if_pipeline_succeeds": one.only_allow_merge_if_pipeline_succeeds,
        "only_allow_merge_if_all_discussions_are_resolved": (
            one.only_allow_merge_if_all_discussions_are_resolved
        ),
        "autoclose_referenced_issues": one.autoclose_referenced_issues,
        "creator_id": one.creator.id if one.creator else lab.admin.id,
        "permissions": {
            "project_access": {"access_level": own.level, "notification_level": 3} if own else None,
            "group_access": {"access_level": group.level, "notification_level": 3}
            if group
            else None,
        },
    }


def protection_json(one: Protection) -> Json:
    """A protected branch."""

    def levels(level: int) -> list[Json]:
        words = _LEVEL_NAMES.get(level, "Custom")
        return [{"id": one.id, "access_level": level, "access_level_description": words}]

    return {
        "id": one.id,
        "name": one.name,
        "push_access_levels": levels(one.push_level),
        "merge_access_levels": levels(one.merge_level),
        "allow_force_push": one.allow_force_push,
        "code_owner_approval_required": False,
        "inherited": False,
    }


def label_json(one: Label, within: Project) -> Json:
    """A label with how often it is used."""
    issues = [i.state for i in within.issues.values() if one in i.labels]
    requests = [m.state for m in within.merge_requests.values() if one in m.labels]
    return {
        "id": one.id,
        "name": one.name,
        "color": one.color,
        "text_color": "#FFFFFF",
        "description": one.description,
        "description_html": one.description or "",
        "open_issues_count": issues.count("opened"),
        "closed_issues_count": len(issues) - issues.count("opened"),
        "open_merge_requests_count": requests.count("opened"),
        "subscribed": False,
        "priority": one.priority,
        "is_project_label": True,
    }


def noteable_kind(noteable: Noteable) -> str:
    """`noteable_type` of notes and webhooks: Issue or MergeRequest."""
    return "Issue" if isinstance(noteable, Issue) else "MergeRequest"


def note_json(
    lab: GitLabState, one: Note, noteable: Noteable, discussion: Discussion | None = None
) -> Json:
    """A comment."""
    threaded = discussion is not None and not discussion.individual
    found: Json = {
        "id": one.id,
        "type": "DiffNote" if one.position else "DiscussionNote" if threaded else None,
        "body": one.body,
        "attachment": None,
        "author": user_json(lab, one.author),
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "system": one.system,
        "noteable_id": noteable.id,
        "noteable_type": noteable_kind(noteable),
        "project_id": noteable.project.id,
        "resolvable": one.resolvable,
        "confidential": one.internal,
        "internal": one.internal,
        "imported": False,
        "imported_from": "none",
        "noteable_iid": noteable.iid,
        "commands_changes": {},
    }
    if one.position:
        found["position"] = one.position
    if one.resolvable:
        found |= {
            "resolved": one.resolved_at is not None,
            "resolved_by": optional_user_json(lab, one.resolved_by),
            "resolved_at": iso(one.resolved_at),
        }
    return found


def discussion_json(
    lab: GitLabState, one: Discussion, noteable: Noteable, notes: list[Note]
) -> Json:
    """A thread with those of its notes that the asker may see."""
    return {
        "id": one.id,
        "individual_note": one.individual,
        "notes": [note_json(lab, each, noteable, one) for each in notes],
    }


def noteable_url(lab: GitLabState, one: Noteable) -> str:
    """URL of the page of an issue or a merge request."""
    place = "issues" if isinstance(one, Issue) else "merge_requests"
    return f"{project_url(lab, one.project)}/-/{place}/{one.iid}"


def noteable_json(lab: GitLabState, one: Noteable) -> Json:
    """What issues and merge requests have in common."""
    sign = "#" if isinstance(one, Issue) else "!"
    tasks = _TASK.findall(one.description or "")
    people = [user_json(lab, person) for person in one.assignees]
    return {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.project.id,
        "title": one.title,
        "description": one.description,
        "state": one.state,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "closed_at": iso(one.closed_at),
        "closed_by": optional_user_json(lab, one.closed_by),
        "labels": sorted(each.name for each in one.labels),
        "milestone": None,
        "author": user_json(lab, one.author),
        "assignees": people,
        "assignee": people[0] if people else None,
        "user_notes_count": sum(not each.system for each in one.notes),
        "upvotes": 0,
        "downvotes": 0,
        "discussion_locked": one.discussion_locked,
        "web_url": noteable_url(lab, one),
        "references": {
            "short": f"{sign}{one.iid}",
            "relative": f"{sign}{one.iid}",
            "full": f"{one.project.path}{sign}{one.iid}",
        },
        "time_stats": dict(_NO_TIME),
        "task_completion_status": {
            "count": len(tasks),
            "completed_count": sum(mark != " " for mark in tasks),
        },
        "imported": False,
        "imported_from": "none",
    }


def issue_json(lab: GitLabState, one: Issue) -> Json:
    """An issue."""
    base = f"{lab.url}/api/v4/projects/{one.project.id}"
    mentions = f"#{one.iid}"
    requests = [m for m in one.project.merge_requests.values() if mentions in (m.description or "")]
    return noteable_json(lab, one) | {
        "type": one.issue_type.upper(),
        "issue_type": one.issue_type,
        "merge_requests_count": len(requests),
        "confidential": one.confidential,
        "due_date": one.due_date,
        "has_tasks": bool(_TASK.search(one.description or "")),
        "severity": "UNKNOWN",
        "weight": None,
        "moved_to_id": None,
        "service_desk_reply_to": None,
        "_links": {
            "self": f"{base}/issues/{one.iid}",
            "notes": f"{base}/issues/{one.iid}/notes",
            "project": base,
            "closed_as_duplicate_of": None,
        },
    }


def commit_time(moment: datetime) -> str:
    """A commit's time, in the zone it was made in."""
    return moment.isoformat(timespec="milliseconds")


def commit_json(lab: GitLabState, project: Project, one: GitCommit) -> Json:
    """A commit as it stands in lists."""
    trailers = _trailers(one.message)
    return {
        "id": one.id,
        "short_id": one.id[:8],
        "title": one.title,
        "message": one.message,
        "author_name": one.author.name,
        "author_email": one.author.email,
        "authored_date": commit_time(one.authored_at),
        "committer_name": one.committer.name,
        "committer_email": one.committer.email,
        "committed_date": commit_time(one.committed_at),
        "created_at": commit_time(one.committed_at),
        "parent_ids": list(one.parents),
        "trailers": {name: values[-1] for name, values in trailers.items()},
        "extended_trailers": trailers,
        "web_url": f"{project_url(lab, project)}/-/commit/{one.id}",
    }


def _trailers(message: str) -> dict[str, list[str]]:
    """The `Name: value` lines of the last paragraph, when it holds nothing else."""
    paragraphs = message.strip().split("\n\n")
    lines = paragraphs[-1].splitlines() if len(paragraphs) > 1 else []
    matches = [_TRAILER.fullmatch(line) for line in lines]
    found: dict[str, list[str]] = {}
    if all(matches):
        for match in matches:
            if match:
                found.setdefault(match[1], []).append(match[2])
    return found


def diff_json(one: FileDiff) -> Json:
    """One changed file."""
    return {
        "old_path": one.old_path,
        "new_path": one.new_path,
        "a_mode": one.old_mode.replace("000000", "0"),
        "b_mode": one.new_mode.replace("000000", "0"),
        "new_file": one.status == "A",
        "renamed_file": one.status == "R",
        "deleted_file": one.status == "D",
        "generated_file": False,
        "collapsed": False,
        "too_large": False,
        "diff": one.text,
    }
