"""Endpoints: merge requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.actions import closing_pattern, editing
from workflows.local.gitlab_server.api import issues, pipelines
from workflows.local.gitlab_server.api.merge_request_json import (
    merge_request_details_json,
    merge_request_json,
)
from workflows.local.gitlab_server.events import payloads, webhooks
from workflows.local.gitlab_server.git import merging, pushes
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    conflict,
    forbidden,
    not_found,
)
from workflows.local.gitlab_server.http.filters import fields_of, filtered, ordered
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import DEVELOPER, OWNER, MergeRequest, Project
from workflows.local.gitlab_server.state.pipeline_json import pipeline_json

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Issue, Json, User

ROUTES = Routes()
_ONE = "projects/:id/merge_requests/:merge_request_iid"
_STATES = ("opened", "closed", "locked", "merged", "all")
_CHANGES = (
    "title",
    "description",
    "state_event",
    "labels",
    "add_labels",
    "remove_labels",
    "assignee_ids",
    "assignee_id",
    "reviewer_ids",
    "target_branch",
    "squash",
    "remove_source_branch",
    "discussion_locked",
    "milestone_id",
    "allow_collaboration",
)


def find_merge_request(call: ApiCall, project: Project) -> MergeRequest:
    """The merge request that the path names."""
    found = project.merge_requests.get(call.iid("merge_request_iid"))
    if found is None:
        raise not_found()
    return found


@ROUTES.get("projects/:id/merge_requests")
def _list(call: ApiCall) -> Response:
    project = call.code()
    state = call.choice("state", _STATES, "all")
    call.choice("scope", ("all", "created_by_me", "assigned_to_me"), "all")
    found = [
        m for m in filtered(call, project.merge_requests.values()) if state in ("all", m.state)
    ]
    for name in ("source_branch", "target_branch"):
        if call.has(name):
            found = [m for m in found if getattr(m, name) == call.text(name)]
    if call.has("wip"):
        draft = call.choice("wip", ("yes", "no"), "no") == "yes"
        found = [m for m in found if payloads.is_draft(m.title) == draft]
    return paginate(
        call,
        ordered(call, found),
        lambda one: merge_request_json(call.lab, one),
        key=lambda one: one.id,
    )


@ROUTES.get(_ONE)
def _get(call: ApiCall) -> Json:
    one = find_merge_request(call, call.code())
    found = merge_request_details_json(call, one)
    one.unprepared_reads = max(one.unprepared_reads - 1, 0)
    if one.unprepared_reads == 0 and one.prepared_at is None:
        one.prepared_at = call.lab.now()
    return found


@ROUTES.post("projects/:id/merge_requests")
def _create(call: ApiCall) -> Json:
    project = call.project()
    call.require("source_branch", "target_branch", "title")
    source, target = call.required("source_branch"), call.required("target_branch")
    title, description = call.required("title"), call.text("description")
    fields = fields_of(call, ())
    squash = bool(call.flag("squash")) or project.squash_option in {"always", "default_on"}
    remove = call.flag("remove_source_branch")
    _check_target(call, project)
    call.need(project, DEVELOPER)
    if project.archived or not project.merge_requests_enabled:
        raise forbidden()
    if source == target:
        text = "You can't use same project/branch for source and target"
        raise GitLabApiError(422, {"message": [text]})
    editing.check_title(title)
    editing.check_description(description)
    _check_free(project, source, target)
    now = call.lab.now()
    one = MergeRequest(
        id=call.lab.next_id("merge_request"),
        iid=max(project.merge_requests, default=0) + 1,
        project=project,
        author=call.user,
        title=title,
        description=description,
        created_at=now,
        updated_at=now,
        source_branch=source,
        target_branch=target,
        squash=squash,
        remove_source_branch=remove,
        assignees=fields.get("assignees", []),
        reviewers=fields.get("reviewers", []),
    )
    pushes.refresh_version(one)
    one.labels = [call.lab.label(project, name) for name in _labels(call, project, source)]
    project.merge_requests[one.iid] = one
    webhooks.fire_noteable_event(call.lab, one, call.user, "open")
    pushes.note_in_named_issues(call.lab, one)
    one.unprepared_reads = 1
    answer = merge_request_details_json(call, one)
    one.unprepared_reads = call.lab.unprepared_reads
    return answer


def _labels(call: ApiCall, project: Project, source: str) -> list[str]:
    """The labels of the request, or those of the issue that the branch is named after."""
    if call.has("labels"):
        return list(dict.fromkeys(call.words("labels")))
    issue = project.issues.get(closing_pattern.issue_of_branch(source) or 0)
    return [label.name for label in issue.labels] if issue else []


def _check_target(call: ApiCall, project: Project) -> None:
    number = call.number("target_project_id", project.id)
    if number == project.id:
        return
    other = call.lab.find_project(str(number))
    if other is None or not call.lab.visible(other, call.asker):
        raise not_found("Project")
    raise GitLabApiError(422, {"message": ["Source project is not a fork of the target project"]})


def _check_free(project: Project, source: str, target: str) -> None:
    for other in project.merge_requests.values():
        same = other.source_branch == source and other.target_branch == target
        if other.state == "opened" and same:
            text = "Another open merge request already exists for this source branch"
            raise conflict([f"{text}: !{other.iid}"])


@ROUTES.put(_ONE)
def _update(call: ApiCall) -> Json:
    project = call.code()
    call.at_least_one(*_CHANGES)
    event = call.choice("state_event", ("close", "reopen"), "close")
    one = find_merge_request(call, project)
    fields = fields_of(call, ("title", "description", "target_branch"))
    for name in ("squash", "remove_source_branch"):
        if call.has(name):
            fields[name] = call.flag(name)
    if not editing.may_edit(call.lab, one, call.user):
        raise forbidden()
    if call.has("state_event") and event == "reopen" and one.state == "closed":
        _check_free(project, one.source_branch, one.target_branch)
    editing.edit(call.lab, one, call.user, fields)
    if one.state == "opened":
        pushes.refresh_version(one)
    return merge_request_details_json(call, one)


@ROUTES.delete(_ONE)
def _delete(call: ApiCall) -> None:
    project = call.code()
    one = find_merge_request(call, project)
    call.need(project, OWNER)
    del project.merge_requests[one.iid]


@ROUTES.put(f"{_ONE}/merge")
def _merge(call: ApiCall) -> Json:
    project = call.code()
    squash = call.flag("squash")
    remove = call.flag("should_remove_source_branch")
    one = find_merge_request(call, project)
    automatic = call.flag("auto_merge") or call.flag("merge_when_pipeline_succeeds")
    waiting = merging.detailed_status(one) == "ci_still_running"
    if automatic and waiting and call.lab.may_merge(project, call.user, one.target_branch):
        one.auto_merge, one.merge_user = True, call.user
        return merge_request_details_json(call, one)
    merging.check_may_merge(call.lab, one, call.user, call.text("sha"))
    merging.merge(
        call.lab,
        one,
        call.user,
        squash=one.squash if squash is None else squash,
        remove_source_branch=bool(one.remove_source_branch if remove is None else remove),
        message=call.text("merge_commit_message"),
        squash_message=call.text("squash_commit_message"),
    )
    return merge_request_details_json(call, one)


@ROUTES.put(f"{_ONE}/rebase", 202)
def _rebase(call: ApiCall) -> Json:
    project = call.code()
    one = find_merge_request(call, project)
    call.need(project, DEVELOPER)
    if one.state != "opened":
        raise forbidden()
    merging.rebase(call.lab, one, call.user)
    return {"rebase_in_progress": True}


# --- what is in it ---------------------------------------------------------------------------


@ROUTES.get(f"{_ONE}/commits")
def _commits(call: ApiCall) -> Response:
    project = call.code()
    one = find_merge_request(call, project)
    revisions = [one.head_sha, f"^{one.base_sha}"] if one.head_sha and one.base_sha else []
    found = project.repository.commits(revisions) if revisions else []
    return paginate(call, found, lambda commit: api_json.commit_json(call.lab, project, commit))


def merge_request_diffs(one: MergeRequest) -> list[Any]:
    """The files that it changes."""
    if not one.head_sha or not one.base_sha:
        return []
    return one.project.repository.diff(one.base_sha, one.head_sha)


@ROUTES.get(f"{_ONE}/diffs")
def _diffs(call: ApiCall) -> Response:
    return paginate(
        call, merge_request_diffs(find_merge_request(call, call.code())), api_json.diff_json
    )


@ROUTES.get(f"{_ONE}/changes")
def _changed(call: ApiCall) -> Json:
    one = find_merge_request(call, call.code())
    return merge_request_details_json(call, one) | {
        "changes": [api_json.diff_json(d) for d in merge_request_diffs(one)],
        "overflow": False,
    }


@ROUTES.get(f"{_ONE}/closes_issues")
def _closes(call: ApiCall) -> Response:
    found = [
        i
        for i in pushes.issues_closed_by(call.lab, find_merge_request(call, call.code()))
        if _visible(call, i)
    ]
    return paginate(call, found, lambda issue: api_json.issue_json(call.lab, issue))


def _visible(call: ApiCall, issue: Issue) -> bool:
    project = call.lab.visible(issue.project, call.asker)
    return project and issues.may_see_issue(call.lab, issue, call.asker)


@ROUTES.get(f"{_ONE}/pipelines")
def _pipelines(call: ApiCall) -> Response:
    one = find_merge_request(call, call.code())
    refs = {one.source_branch, f"refs/merge-requests/{one.iid}/head"}
    found = [p for p in one.project.pipelines.values() if p.ref in refs]
    found.reverse()
    return paginate(call, found, lambda pipeline: pipeline_json(call.lab, pipeline))


@ROUTES.post(f"{_ONE}/pipelines")
def _run_pipeline(call: ApiCall) -> Json:
    one = find_merge_request(call, call.code())
    call.need(one.project, DEVELOPER)
    ref = f"refs/merge-requests/{one.iid}/head"
    pipelines.check_ci_file(one.project, one.head_sha)
    made = pipelines.create_pipeline(
        call.lab, one.project, ref, one.head_sha or "", call.user, source="merge_request_event"
    )
    return pipeline_json(call.lab, made)


@ROUTES.get("projects/:id/issues/:issue_iid/related_merge_requests")
def _related(call: ApiCall) -> Response:
    issue = issues.find_issue(call, call.project())
    name = f"#{issue.iid}"
    requests = issue.project.merge_requests.values()
    closers = _closing(call.lab, issue)
    found = [m for m in requests if m in closers or name in (m.description or "").split()]
    return paginate(call, found, lambda one: merge_request_json(call.lab, one))


@ROUTES.get("projects/:id/issues/:issue_iid/closed_by")
def _closed_by(call: ApiCall) -> Response:
    issue = issues.find_issue(call, call.project())
    return paginate(call, _closing(call.lab, issue), lambda one: merge_request_json(call.lab, one))


def _closing(lab: GitLabState, issue: Issue) -> list[MergeRequest]:
    requests = issue.project.merge_requests.values()
    return [one for one in requests if issue in pushes.issues_closed_by(lab, one)]


def _visible_to(call: ApiCall, user: User) -> list[MergeRequest]:
    """Every merge request of every project that somebody may read."""
    return [
        one
        for project in call.lab.projects.values()
        if call.lab.visible(project, user)
        for one in project.merge_requests.values()
    ]


@ROUTES.get("merge_requests")
def _mine(call: ApiCall) -> Response:
    user = call.user
    scope = call.choice("scope", ("created_by_me", "assigned_to_me", "all"), "created_by_me")
    state = call.choice("state", _STATES, "all")
    found = [m for m in filtered(call, _visible_to(call, user)) if state in ("all", m.state)]
    if scope != "all":
        found = [m for m in found if user is m.author or user in m.assignees]
    return paginate(call, ordered(call, found), lambda one: merge_request_json(call.lab, one))
