"""Endpoints: issues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.actions import editing
from workflows.local.gitlab_server.http.answers import forbidden, not_found, unauthorized
from workflows.local.gitlab_server.http.filters import fields_of, filtered, ordered
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import GUEST, OWNER, PLANNER, Issue, Project

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, User

ROUTES = Routes()
_CHANGES = (
    "title",
    "description",
    "state_event",
    "labels",
    "add_labels",
    "remove_labels",
    "assignee_ids",
    "assignee_id",
    "confidential",
    "issue_type",
    "due_date",
    "discussion_locked",
    "milestone_id",
    "updated_at",
)
_STATES = ("opened", "closed", "all")
_TYPES = ("issue", "incident", "test_case", "task")


def may_see_issue(lab: GitLabState, issue: Issue, user: User | None) -> bool:
    """Confidential issues are for planners and above, their author and their assignees."""
    if not issue.confidential:
        return True
    planner = lab.level(issue.project, user) >= PLANNER
    return planner or user is issue.author or user in issue.assignees


def find_issue(call: ApiCall, project: Project) -> Issue:
    """The issue that the path names, as long as the asker may see it."""
    found = project.issues.get(call.iid("issue_iid"))
    if found is None or not may_see_issue(call.lab, found, call.asker):
        raise not_found()
    return found


def _visible_issues(call: ApiCall, project: Project) -> list[Issue]:
    return [i for i in project.issues.values() if may_see_issue(call.lab, i, call.asker)]


def _in_state(call: ApiCall, found: list[Issue]) -> list[Issue]:
    """The issues that the common filters and `state` let through."""
    state = call.choice("state", _STATES, "all")
    return [i for i in filtered(call, found) if state in ("all", i.state)]


@ROUTES.get("projects/:id/issues")
def _issues(call: ApiCall) -> Response:
    project = call.project()
    found = _in_state(call, _visible_issues(call, project))
    if call.has("confidential"):
        found = [i for i in found if i.confidential == call.flag("confidential")]
    if call.has("issue_type"):
        found = [i for i in found if i.issue_type == call.choice("issue_type", _TYPES, "issue")]
    return paginate(
        call,
        ordered(call, found),
        lambda one: api_json.issue_json(call.lab, one),
        key=lambda one: one.id,
    )


@ROUTES.get("projects/:id/issues/:issue_iid")
def _issue(call: ApiCall) -> Json:
    issue = find_issue(call, call.project())
    return api_json.issue_json(call.lab, issue) | {"subscribed": call.asker is issue.author}


@ROUTES.post("projects/:id/issues")
def _create(call: ApiCall) -> Json:
    project = call.project()
    title = call.required("title")
    more: dict[str, Any] = {
        "confidential": bool(call.flag("confidential")),
        "issue_type": call.choice("issue_type", _TYPES, "issue"),
        "due_date": call.text("due_date"),
    }
    fields = fields_of(call, ())
    if project.visibility == "private":
        call.need(project, GUEST)
    if project.archived:
        raise forbidden()
    issue = editing.open_issue(
        call.lab,
        project,
        call.user,
        title,
        call.text("description"),
        labels=call.words("labels"),
        assignees=fields.get("assignees", ()),
        **more,
    )
    return api_json.issue_json(call.lab, issue) | {"subscribed": True}


@ROUTES.put("projects/:id/issues/:issue_iid")
def _update(call: ApiCall) -> Json:
    project = call.project()
    call.at_least_one(*_CHANGES)
    call.choice("state_event", ("close", "reopen"), "close")
    call.choice("issue_type", _TYPES, "issue")
    issue = find_issue(call, project)
    if not editing.may_edit(call.lab, issue, call.user):
        raise forbidden()
    fields = fields_of(call, ("title", "description", "due_date", "issue_type"))
    if call.has("confidential"):
        fields["confidential"] = bool(call.flag("confidential"))
    editing.edit(call.lab, issue, call.user, fields)
    return api_json.issue_json(call.lab, issue) | {"subscribed": call.asker is issue.author}


@ROUTES.delete("projects/:id/issues/:issue_iid")
def _delete(call: ApiCall) -> None:
    project = call.project()
    issue = find_issue(call, project)
    level = call.lab.level(project, call.user)
    if level != PLANNER and level < OWNER:
        raise forbidden()
    del project.issues[issue.iid]


@ROUTES.get("projects/:id/issues/:issue_iid/resource_label_events")
def _label_events(call: ApiCall) -> Response:
    issue = find_issue(call, call.project())
    return paginate(call, issue.label_events, lambda event: _event(call, issue, event))


@ROUTES.get("projects/:id/issues/:issue_iid/resource_state_events")
def _state_events(call: ApiCall) -> Response:
    issue = find_issue(call, call.project())
    return paginate(call, issue.state_events, lambda event: _event(call, issue, event))


def _event(call: ApiCall, issue: Issue, event: Json) -> Json:
    shown = {name: value for name, value in event.items() if name != "user_id"}
    shown |= {"resource_type": "Issue", "resource_id": issue.id}
    shown["user"] = api_json.user_json(call.lab, call.lab.users[event["user_id"]])
    if "label" in event:
        found = next((x for x in issue.project.labels if x.name == event["label"]), None)
        shown["label"] = api_json.label_json(found, issue.project) if found else None
    return shown


@ROUTES.get("issues")
def _mine(call: ApiCall) -> Response:
    if call.asker is None:
        raise unauthorized()
    lab, user = call.lab, call.user
    scope = call.choice("scope", ("created_by_me", "assigned_to_me", "all"), "created_by_me")
    found = [
        issue
        for project in lab.projects.values()
        if lab.visible(project, user)
        for issue in _visible_issues(call, project)
        if scope == "all" or user is issue.author or user in issue.assignees
    ]
    return paginate(
        call, ordered(call, _in_state(call, found)), lambda one: api_json.issue_json(lab, one)
    )
