"""Endpoints: branches and tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from workflows.local.gitlab_server.git import pushes
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    bad_request,
    forbidden,
    not_found,
)
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.gitlab_state import protections
from workflows.local.gitlab_server.state.model import DEVELOPER, BranchChange
from workflows.local.gitlab_server.state.repository import ZEROS

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json, Project
    from workflows.local.gitlab_server.state.repository import GitCommit

ROUTES = Routes()
_HEX40 = re.compile(r"[0-9a-fA-F]{40}(?:[-/].*)?")


def _branch(
    call: ApiCall, project: Project, name: str, commit: GitCommit, root: str | None
) -> Json:
    rules = protections(project, name)
    merged = root is not None and name != project.default_branch
    return {
        "name": name,
        "merged": merged and project.repository.is_ancestor(commit.id, root or ""),
        "protected": bool(rules),
        "developers_can_push": any(0 < rule.push_level <= DEVELOPER for rule in rules),
        "developers_can_merge": any(0 < rule.merge_level <= DEVELOPER for rule in rules),
        "can_push": call.lab.may_push(project, call.asker, name),
        "default": name == project.default_branch,
        "web_url": f"{api_json.project_url(call.lab, project)}/-/tree/{quote(name)}",
        "commit": api_json.commit_json(call.lab, project, commit),
    }


def _matches(search: str, name: str) -> bool:
    starts, ends = search.startswith("^"), search.endswith("$")
    core = search.removeprefix("^").removesuffix("$").lower()
    lowered = name.lower()
    if starts and ends:
        return lowered == core
    if starts:
        return lowered.startswith(core)
    return lowered.endswith(core) if ends else core in lowered


@ROUTES.get("projects/:id/repository/branches")
def _branches(call: ApiCall) -> Response:
    project = call.code()
    heads = project.repository.branches()
    search = call.text("search") or ""
    names = [name for name in sorted(heads) if _matches(search, name)]
    root = heads.get(project.default_branch)

    def render(name: str) -> Json:
        return _branch(call, project, name, project.repository.commit(heads[name]), root)

    return paginate(call, names, render, key=str)


@ROUTES.get("projects/:id/repository/branches/:branch")
def _one_branch(call: ApiCall) -> Json:
    project = call.code()
    heads = project.repository.branches()
    name = call.path["branch"]
    if name not in heads:
        raise not_found("Branch")
    commit = project.repository.commit(heads[name])
    return _branch(call, project, name, commit, heads.get(project.default_branch))


@ROUTES.post("projects/:id/repository/branches")
def _create_branch(call: ApiCall) -> Json:
    project = call.project()
    call.require("branch", "ref")
    name, ref = call.required("branch"), call.required("ref")
    call.need(project, DEVELOPER)
    if not call.lab.may_push(project, call.asker, name):
        raise forbidden("You are not allowed to create protected branches on this project.")
    repository = project.repository
    if not repository.is_branch_name(name) or _HEX40.fullmatch(name):
        raise bad_request("Branch name is invalid")
    if name in repository.branches():
        raise bad_request("Branch already exists")
    sha = repository.resolve(ref)
    if sha is None:
        raise bad_request(f"Invalid reference name: {ref}")
    if not repository.set_branch(name, sha):
        raise bad_request(f"Failed to create branch '{name}': directory file conflict")
    pushes.branches_moved(call.lab, project, call.user, [BranchChange(name, new=sha)])
    return _branch(call, project, name, repository.commit(sha), None)


@ROUTES.delete("projects/:id/repository/branches/:branch")
def _delete_branch(call: ApiCall) -> None:
    project = call.project()
    call.need(project, DEVELOPER)
    name = call.path["branch"]
    sha = project.repository.branches().get(name)
    if sha is None:
        raise not_found("Branch")
    if name == project.default_branch:
        raise GitLabApiError(405, {"message": "Cannot remove HEAD branch"})
    if protections(project, name):
        raise forbidden("Protected branches cannot be deleted")
    project.repository.set_branch(name, ZEROS, sha)
    pushes.branches_moved(call.lab, project, call.user, [BranchChange(name, old=sha)])


@ROUTES.get("projects/:id/repository/tags")
def _tags(call: ApiCall) -> Response:
    project = call.code()
    tags = project.repository.tags()

    def render(name: str) -> Json:
        commit = project.repository.commit(tags[name])
        shown = api_json.commit_json(call.lab, project, commit)
        return {"name": name, "target": commit.id, "message": "", "commit": shown}

    return paginate(call, sorted(tags), render, key=str)
