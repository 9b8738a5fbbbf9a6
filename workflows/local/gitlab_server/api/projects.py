"""Endpoints: projects, members, protected branches, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.http.answers import (
    conflict,
    invalid_parameter,
    not_found,
    unacceptable,
)
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import MAINTAINER, REPORTER

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json, Label, Member, Project, Protection

ROUTES = Routes()
_LEVELS = (0, 30, 40, 60)
_PROJECT_ORDERS = ("id", "name", "path", "created_at", "updated_at", "last_activity_at")


@ROUTES.get("projects")
def _projects(call: ApiCall) -> Response:
    lab = call.lab
    search = (call.text("search") or "").lower()
    found = [p for p in lab.projects.values() if lab.visible(p, call.asker)]
    found = [p for p in found if search in p.name.lower() or search in p.path.lower()]
    if call.flag("membership"):
        found = [p for p in found if call.user.id in lab.memberships(p)]
    order = call.choice("order_by", _PROJECT_ORDERS, "created_at")
    descending = call.choice("sort", ("asc", "desc"), "desc") == "desc"
    attribute = {"updated_at": "created_at", "last_activity_at": "created_at"}.get(order, order)
    found.sort(key=lambda p: (getattr(p, attribute), p.id), reverse=descending)
    return paginate(
        call, found, lambda p: api_json.project_json(lab, p, call.asker), key=lambda p: p.id
    )


@ROUTES.get("projects/:id")
def _project(call: ApiCall) -> Json:
    return api_json.project_json(call.lab, call.project(), call.asker)


# --- members ---------------------------------------------------------------------------------


def _listing(call: ApiCall, members: list[Member]) -> Response:
    members.sort(key=lambda m: m.user.id)
    return paginate(call, members, lambda m: api_json.member_json(call.lab, m))


def _one_member(call: ApiCall, members: dict[int, Member]) -> Json:
    found = members.get(call.iid("user_id"))
    if found is None:
        raise not_found()
    return api_json.member_json(call.lab, found)


@ROUTES.get("projects/:id/members/all")
def _all_members(call: ApiCall) -> Response:
    return _listing(call, list(call.lab.memberships(call.project()).values()))


@ROUTES.get("projects/:id/members/all/:user_id")
def _any_member(call: ApiCall) -> Json:
    return _one_member(call, call.lab.memberships(call.project()))


@ROUTES.get("projects/:id/members")
def _direct_members(call: ApiCall) -> Response:
    return _listing(call, list(call.project().members.values()))


@ROUTES.get("projects/:id/members/:user_id")
def _direct_member(call: ApiCall) -> Json:
    return _one_member(call, call.project().members)


# --- protected branches ----------------------------------------------------------------------


def _protection(call: ApiCall, project: Project) -> Protection:
    call.need(project, MAINTAINER)
    for one in project.protections:
        if one.name == call.path["name"]:
            return one
    raise not_found()


def _level(call: ApiCall, name: str) -> int:
    value = call.number(name, MAINTAINER)
    if value not in _LEVELS:
        raise invalid_parameter(f"{name} does not have a valid value")
    return value


@ROUTES.get("projects/:id/protected_branches")
def _protected(call: ApiCall) -> Response:
    project = call.project()
    call.need(project, MAINTAINER)
    found = sorted(project.protections, key=lambda one: one.name)
    return paginate(call, found, api_json.protection_json)


@ROUTES.get("projects/:id/protected_branches/:name")
def _protected_branch(call: ApiCall) -> Json:
    return api_json.protection_json(_protection(call, call.project()))


@ROUTES.post("projects/:id/protected_branches")
def _protect(call: ApiCall) -> Json:
    project = call.project()
    name = call.required("name")
    push, merge = _level(call, "push_access_level"), _level(call, "merge_access_level")
    force = bool(call.flag("allow_force_push"))
    call.need(project, MAINTAINER)
    if any(one.name == name for one in project.protections):
        raise conflict(f"Protected branch '{name}' already exists")
    made = call.lab.protect(project, name, push, merge)
    made.allow_force_push = force
    return api_json.protection_json(made)


@ROUTES.add("PATCH", "projects/:id/protected_branches/:name", 200)
def _change_protection(call: ApiCall) -> Json:
    found = _protection(call, call.project())
    found.allow_force_push = bool(call.flag("allow_force_push", default=found.allow_force_push))
    return api_json.protection_json(found)


@ROUTES.delete("projects/:id/protected_branches/:name")
def _unprotect(call: ApiCall) -> None:
    project = call.project()
    project.protections.remove(_protection(call, project))


# --- labels ----------------------------------------------------------------------------------


def _label(call: ApiCall, project: Project) -> Label:
    wanted = call.path["label_id"]
    for one in project.labels:
        if one.name == wanted or str(one.id) == wanted:
            return one
    raise not_found("Label")


@ROUTES.get("projects/:id/labels")
def _labels(call: ApiCall) -> Response:
    project = call.project()
    search = (call.text("search") or "").lower()
    found = sorted((x for x in project.labels if search in x.name.lower()), key=lambda x: x.name)
    return paginate(call, found, lambda one: api_json.label_json(one, project))


@ROUTES.get("projects/:id/labels/:label_id")
def _one_label(call: ApiCall) -> Json:
    project = call.project()
    return api_json.label_json(_label(call, project), project)


@ROUTES.post("projects/:id/labels")
def _create_label(call: ApiCall) -> Json:
    project = call.project()
    call.require("name", "color")
    name, color = call.required("name"), call.required("color")
    call.need(project, REPORTER)
    _check_label(name)
    if any(one.name == name for one in project.labels):
        raise conflict("Label already exists")
    made = call.lab.label(project, name, color)
    made.description = call.text("description")
    made.priority = call.number("priority")
    return api_json.label_json(made, project)


@ROUTES.put("projects/:id/labels/:label_id")
def _change_label(call: ApiCall) -> Json:
    project = call.project()
    call.at_least_one("new_name", "color", "description", "priority")
    call.need(project, REPORTER)
    one = _label(call, project)
    new_name = call.text("new_name", one.name) or ""
    _check_label(new_name)
    one.name, one.color = new_name, call.text("color", one.color) or one.color
    one.description = call.text("description", one.description)
    one.priority = call.number("priority", one.priority)
    return api_json.label_json(one, project)


def _check_label(name: str) -> None:
    if not name.strip() or "," in name:
        raise unacceptable("title", "is invalid" if name.strip() else "can't be blank")


@ROUTES.delete("projects/:id/labels/:label_id")
def _delete_label(call: ApiCall) -> Any:
    project = call.project()
    call.need(project, REPORTER)
    one = _label(call, project)
    project.labels.remove(one)
    for thing in (*project.issues.values(), *project.merge_requests.values()):
        if one in thing.labels:
            thing.labels.remove(one)
