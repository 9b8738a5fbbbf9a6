"""Endpoints: commits, comparison, tree."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.api.merge_request_json import merge_request_json
from workflows.local.gitlab_server.git import pushes
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    bad_request,
    forbidden,
    invalid_parameter,
    not_found,
)
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import DEVELOPER, BranchChange
from workflows.local.gitlab_server.state.pipeline_json import pipeline_json
from workflows.local.gitlab_server.state.repository import ZEROS, FileToCommit, GitPerson

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json, Project
    from workflows.local.gitlab_server.state.repository import BareRepository, GitCommit, TreeEntry

ROUTES = Routes()
_ACTIONS = ("create", "delete", "move", "update", "chmod")


def find_commit(call: ApiCall, project: Project) -> GitCommit:
    """The commit that the path names: an id, a branch or a tag."""
    sha = project.repository.resolve(call.path["sha"])
    if sha is None:
        raise not_found("Commit")
    return project.repository.commit(sha)


def _with_stats(call: ApiCall, project: Project, one: GitCommit) -> Json:
    added, removed = project.repository.stats(one.id)
    stats = {"additions": added, "deletions": removed, "total": added + removed}
    return api_json.commit_json(call.lab, project, one) | {"stats": stats}


@ROUTES.get("projects/:id/repository/commits")
def _commits(call: ApiCall) -> Response:
    project = call.code()
    name = call.text("ref_name") or call.text("ref") or project.default_branch
    sha = project.repository.resolve(name)
    options = []
    for parameter, option in (("since", "--since"), ("until", "--until")):
        moment = call.moment(parameter)
        if moment:
            options.append(f"{option}={moment.isoformat()}")
    if call.has("author"):
        options += ["--fixed-strings", f"--author={call.text('author')}"]
    if sha is None and project.repository.branches():
        raise not_found("Commit")
    path = call.text("path") or ""
    found = project.repository.commits([sha], *options, path=path) if sha else []
    stats = call.flag("with_stats")

    def render(one: GitCommit) -> Json:
        return (
            _with_stats(call, project, one)
            if stats
            else api_json.commit_json(call.lab, project, one)
        )

    return paginate(call, found, render)


@ROUTES.get("projects/:id/repository/commits/:sha")
def _commit(call: ApiCall) -> Json:
    project = call.code()
    one = find_commit(call, project)
    runs = [p for p in project.pipelines.values() if p.sha == one.id]
    last = pipeline_json(call.lab, runs[-1]) if runs else None
    return _with_stats(call, project, one) | {
        "status": last["status"] if last else None,
        "last_pipeline": last,
        "project_id": project.id,
    }


@ROUTES.get("projects/:id/repository/commits/:sha/diff")
def _diff(call: ApiCall) -> Response:
    project = call.code()
    one = find_commit(call, project)
    parent = one.parents[0] if one.parents else None
    return paginate(call, project.repository.diff(parent, one.id), api_json.diff_json)


@ROUTES.get("projects/:id/repository/commits/:sha/refs")
def _refs(call: ApiCall) -> Response:
    project = call.code()
    sha = find_commit(call, project).id
    branches = project.repository.branches()
    names = project.repository.containing(sha)
    found = [{"type": "branch" if name in branches else "tag", "name": name} for name in names]
    return paginate(call, found, lambda one: one)


@ROUTES.get("projects/:id/repository/commits/:sha/merge_requests")
def _requests(call: ApiCall) -> Response:
    project = call.code()
    sha = find_commit(call, project).id
    found = [
        one
        for one in project.merge_requests.values()
        if one.head_sha
        and one.base_sha
        and project.repository.is_ancestor(sha, one.head_sha)
        and not project.repository.is_ancestor(sha, one.base_sha)
    ]
    return paginate(call, found, lambda one: merge_request_json(call.lab, one))


@ROUTES.post("projects/:id/repository/commits")
def _create(call: ApiCall) -> Json:
    project = call.project()
    call.require("branch", "commit_message", "actions")
    message = call.required("commit_message")
    actions = call.params["actions"]
    if not isinstance(actions, list) or not all(isinstance(one, dict) for one in actions):
        raise invalid_parameter("actions is invalid")
    one = commit_actions(call, project, message, actions)
    return _with_stats(call, project, one)


def commit_actions(call: ApiCall, project: Project, message: str, actions: list[Json]) -> GitCommit:
    """Commit the actions to the branch that the request names, all of them or none."""
    branch = call.required("branch")
    call.need(project, DEVELOPER)
    repository = project.repository
    if not repository.is_branch_name(branch):
        raise bad_request("Branch name is invalid")
    if not call.lab.may_push(project, call.asker, branch):
        raise forbidden("You are not allowed to push into this branch")
    old = repository.branches().get(branch)
    parent = _parent(call, repository, branch, old)
    changes = [each for action in actions for each in _changes(project, parent, action)]
    user = call.user
    sha = repository.commit_files(
        branch,
        parent,
        changes,
        message=message,
        author=_author(call),
        committer=GitPerson(user.name, user.email),
        when=call.lab.now(),
    )
    pushes.branches_moved(call.lab, project, user, [BranchChange(branch, old or ZEROS, sha)])
    return repository.commit(sha)


def _parent(call: ApiCall, repository: BareRepository, branch: str, old: str | None) -> str | None:
    """The commit to build on: where the request starts from, or the branch; None: no commit yet."""
    start = call.text("start_branch") or call.text("start_sha")
    if old and start and not call.flag("force"):
        raise bad_request(f"A branch called '{branch}' already exists. Switch to that branch.")
    parent = repository.resolve(start) if start else old
    if parent is None and (start or repository.branches()):
        raise bad_request("You can only create or edit files when you are on a branch")
    return parent


def _author(call: ApiCall) -> GitPerson:
    user = call.user
    author = GitPerson(
        call.text("author_name") or user.name, call.text("author_email") or user.email
    )
    if any(set("<>\n") & set(text) for text in author):
        raise invalid_parameter("author_name is invalid")
    return author


def _changes(project: Project, parent: str | None, action: Json) -> list[FileToCommit]:
    """What one action does to the tree.

    Raises:
        GitLabApiError: it cannot be done.
    """
    kind, path = _kind_and_path(action)
    if kind == "create":
        if parent and project.repository.entry(parent, path):
            raise bad_request("A file with this name already exists")
        return [FileToCommit(path, _content(action), _mode(action, "100644"))]
    source = str(action.get("previous_path") or "") if kind == "move" else path
    old = _existing_file(project.repository, parent, source, action.get("last_commit_id"))
    if kind == "delete":
        return [FileToCommit(path, None)]
    kept = action.get("content") is None
    content = project.repository.blob(old.id) if kept else _content(action)
    written = FileToCommit(path, content, _mode(action, old.mode))
    return [FileToCommit(source, None), written] if kind == "move" else [written]


def _kind_and_path(action: Json) -> tuple[str, str]:
    kind, path = action.get("action"), str(action.get("file_path") or "")
    if kind not in _ACTIONS:
        raise invalid_parameter("actions[0][action] does not have a valid value")
    if path.startswith("/") or {"", ".", "..", ".git"} & set(path.split("/")):
        raise bad_request("Invalid path")
    return str(kind), path


def _existing_file(
    repository: BareRepository, parent: str | None, path: str, last_commit: object
) -> TreeEntry:
    """The file that an action changes, still as `last_commit` (if given) left it.

    Raises:
        GitLabApiError: there is none, or a later commit touched it.
    """
    found = repository.entry(parent, path) if parent and path else None
    if found is None or parent is None:
        raise bad_request("A file with this name doesn't exist")
    if last_commit and repository.last_commit(parent, path).id != last_commit:
        text = "You are attempting to update a file that has changed since you started editing it."
        raise bad_request(text)
    return found


def _content(action: Json) -> bytes:
    text = str(action.get("content") or "")
    if action.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise bad_request("content is not valid base64") from None


def _mode(action: Json, otherwise: str) -> str:
    if action.get("execute_filemode") is None:
        return otherwise
    return "100755" if action["execute_filemode"] in (True, "true", "1") else "100644"


@ROUTES.get("projects/:id/repository/compare")
def _compare(call: ApiCall) -> Any:
    project = call.code()
    call.require("from", "to")
    start, end = call.required("from"), call.required("to")
    repository = project.repository
    old, new = repository.resolve(start), repository.resolve(end)
    if old is None or new is None:
        raise not_found("Ref")
    base = old if call.flag("straight") else repository.merge_base(old, new)
    found = repository.commits([new, f"^{old}"], "--reverse")
    commits = [api_json.commit_json(call.lab, project, one) for one in found]
    return {
        "commit": commits[-1] if commits else None,
        "commits": commits,
        "diffs": [api_json.diff_json(one) for one in repository.diff(base, new)],
        "compare_timeout": False,
        "compare_same_ref": start == end,
        "web_url": f"{api_json.project_url(call.lab, project)}/-/compare/{old}...{new}",
    }


@ROUTES.get("projects/:id/repository/tree")
def _tree(call: ApiCall) -> Any:
    project = call.code()
    sha = project.repository.resolve(call.text("ref") or project.default_branch)
    if sha is None:
        raise GitLabApiError(404, {"message": "404 Tree Not Found"})
    path = call.text("path") or ""
    found = project.repository.tree(sha, path, recursive=bool(call.flag("recursive")))
    if found is None:
        raise GitLabApiError(404, {"message": "404 invalid revision or path Not Found"})

    def render(entry: Any) -> Json:
        name = entry.path.rpartition("/")[2]
        where = {"path": entry.path, "mode": entry.mode}
        return {"id": entry.id, "name": name, "type": entry.type} | where

    call.params.setdefault("sort", "asc")
    call.params.pop("order_by", None)
    return paginate(call, found, render, key=lambda entry: entry.path)
