"""Endpoints: files of a repository."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from typing import TYPE_CHECKING

from starlette.responses import Response

from workflows.local.gitlab_server.api.commits import commit_actions
from workflows.local.gitlab_server.http.answers import invalid_parameter, not_found
from workflows.local.gitlab_server.http.routing import Routes

if TYPE_CHECKING:
    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json, Project

ROUTES = Routes()
_ONE = "projects/:id/repository/files/:file_path"


def _read(call: ApiCall, project: Project, ref: str) -> tuple[Json, bytes]:
    """What is known of the file, and its bytes."""
    repository, path = project.repository, call.path["file_path"]
    sha = repository.resolve(ref)
    if sha is None:
        raise not_found("Commit")
    entry = repository.entry(sha, path)
    if entry is None or entry.type != "blob":
        raise not_found("File")
    content = repository.blob(entry.id)
    about: Json = {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": ref,
        "blob_id": entry.id,
        "commit_id": sha,
        "last_commit_id": repository.last_commit(sha, path).id,
        "execute_filemode": entry.mode == "100755",
    }
    return about, content


def _headers(about: Json) -> dict[str, str]:
    """The same as headers, for HEAD."""
    return {
        "X-Gitlab-" + "-".join(part.capitalize() for part in name.split("_")): (
            str(value).lower() if isinstance(value, bool) else str(value)
        )
        for name, value in about.items()
        if str(value).isascii() and str(value).isprintable()
    }


@ROUTES.get(_ONE)
def _get(call: ApiCall) -> Json | Response:
    project = call.code()
    about, content = _read(call, project, call.required("ref"))
    if call.method == "HEAD":
        return Response(headers=_headers(about))
    return about | {"content": base64.b64encode(content).decode()}


@ROUTES.get(f"{_ONE}/raw")
def _raw(call: ApiCall) -> Response:
    project = call.code()
    about, content = _read(call, project, call.text("ref") or project.default_branch)
    kind = mimetypes.guess_type(about["file_name"])[0] or "text/plain"
    safe = kind if kind.startswith("image/") and "svg" not in kind else "text/plain"
    return Response(content, media_type=safe, headers=_headers(about))


def _save(call: ApiCall, action: str) -> Json:
    project = call.project()
    names = ["branch", "commit_message"]
    call.require(*(names if action == "delete" else [*names, "content"]))
    given = ("content", "encoding", "last_commit_id", "execute_filemode")
    one = {"action": action, "file_path": call.path["file_path"]}
    one |= {name: call.params[name] for name in given if name in call.params}
    if one.get("encoding", "text") not in {"text", "base64"}:
        raise invalid_parameter("encoding does not have a valid value")
    commit_actions(call, project, call.required("commit_message"), [one])
    return {"file_path": call.path["file_path"], "branch": call.text("branch")}


@ROUTES.post(_ONE)
def _create(call: ApiCall) -> Json:
    return _save(call, "create")


@ROUTES.put(_ONE)
def _update(call: ApiCall) -> Json:
    return _save(call, "update")


@ROUTES.delete(_ONE)
def _delete(call: ApiCall) -> None:
    _save(call, "delete")
