"""Endpoints: the webhooks of a project, their log, resending and testing."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workflows.local.gitlab_server.events import payloads, webhooks
from workflows.local.gitlab_server.http.answers import GitLabApiError, bad_request, not_found
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state.model import MAINTAINER, Hook, iso

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json, Project

ROUTES = Routes()
EVENTS = (
    "push_events",
    "tag_push_events",
    "issues_events",
    "confidential_issues_events",
    "note_events",
    "confidential_note_events",
    "merge_requests_events",
    "pipeline_events",
    "job_events",
    "wiki_page_events",
    "releases_events",
    "deployment_events",
)
_KEY_BYTES = 32
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - refused, not bound


def _project(call: ApiCall) -> Project:
    project = call.project()
    call.need(project, MAINTAINER)
    return project


def _hook(call: ApiCall, project: Project) -> Hook:
    found = project.hooks.get(call.iid("hook_id"))
    if found is None:
        raise not_found()
    return found


def _hook_json(call: ApiCall, project: Project, one: Hook) -> Json:
    """A hook without its secrets."""
    return {
        "id": one.id,
        "url": one.url,
        "name": one.name,
        "description": one.description,
        "created_at": iso(one.created_at),
        "project_id": project.id,
        "enable_ssl_verification": one.enable_ssl_verification,
        "push_events_branch_filter": one.push_events_branch_filter or None,
        "branch_filter_strategy": "wildcard",
        "custom_webhook_template": None,
        "custom_headers": [{"key": header["key"]} for header in one.custom_headers],
        "alert_status": webhooks.alert_status(call.lab, one),
        "disabled_until": iso(one.disabled_until) if call.lab.auto_disable_hooks else None,
        "url_variables": [],
        "token_present": one.token is not None,
        "signing_token_present": one.signing_token is not None,
        **{name: name in one.events for name in EVENTS},
    }


def _apply(call: ApiCall, one: Hook) -> None:
    one.url = _url(call)
    for name in EVENTS:
        if call.has(name):
            (one.events.add if call.flag(name) else one.events.discard)(name)
    for name in ("name", "description"):
        setattr(one, name, call.text(name, getattr(one, name)))
    _apply_secrets(call, one)
    one.push_events_branch_filter = (
        call.text("push_events_branch_filter", one.push_events_branch_filter) or ""
    )
    verify = call.flag("enable_ssl_verification", default=one.enable_ssl_verification)
    one.enable_ssl_verification = bool(verify)


def _apply_secrets(call: ApiCall, one: Hook) -> None:
    if call.has("token"):
        one.token = call.text("token") or None
    if call.has("signing_token"):
        one.signing_token = _signing_token(call)
    headers = call.params.get("custom_headers")
    if isinstance(headers, list):
        one.custom_headers = [h for h in headers if isinstance(h, dict) and h.get("key")]


def _url(call: ApiCall) -> str:
    url = call.required("url")
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        fine = False
    if fine and not call.lab.allow_local_hooks and urlsplit(url).hostname in _LOCAL:
        fine = False
    if not fine or set(url) & set(" \r\n\t"):
        raise GitLabApiError(422, {"message": "Invalid url given"})
    return url


def _signing_token(call: ApiCall) -> str | None:
    token = call.text("signing_token") or None
    if token is None:
        return None
    try:
        key = base64.b64decode(token.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not token.startswith("whsec_") or len(key) != _KEY_BYTES:
        raise GitLabApiError(422, {"message": "Invalid signing token given"})
    return token


@ROUTES.get("projects/:id/hooks")
def _list(call: ApiCall) -> Response:
    project = _project(call)
    return paginate(call, list(project.hooks.values()), lambda one: _hook_json(call, project, one))


@ROUTES.get("projects/:id/hooks/:hook_id")
def _get(call: ApiCall) -> Json:
    project = _project(call)
    return _hook_json(call, project, _hook(call, project))


@ROUTES.post("projects/:id/hooks")
def _create(call: ApiCall) -> Json:
    project = call.project()
    call.require("url")
    call.need(project, MAINTAINER)
    number = call.lab.next_id("hook")
    hook = Hook(id=number, url="", created_at=call.lab.now(), events={"push_events"})
    _apply(call, hook)
    project.hooks[hook.id] = hook
    return _hook_json(call, project, hook)


@ROUTES.put("projects/:id/hooks/:hook_id")
def _update(call: ApiCall) -> Json:
    project = call.project()
    call.require("url")
    call.need(project, MAINTAINER)
    hook = _hook(call, project)
    _apply(call, hook)
    return _hook_json(call, project, hook)


@ROUTES.delete("projects/:id/hooks/:hook_id")
def _delete(call: ApiCall) -> None:
    project = _project(call)
    del project.hooks[_hook(call, project).id]


# --- the log ---------------------------------------------------------------------------------


@ROUTES.get("projects/:id/hooks/:hook_id/events")
def _events(call: ApiCall) -> Response:
    found = list(_hook(call, _project(call)).log)
    status = call.text("status")
    if status:
        found = [entry for entry in found if _is(status, entry["response_status"])]
    return paginate(call, found, lambda entry: {k: v for k, v in entry.items() if k != "delivery"})


def _is(status: str, code: str) -> bool:
    """Whether a logged status fits the filter: a status or a class such as `successful`."""
    classes = {"successful": "23", "client_failure": "4", "server_failure": "5i"}
    return code[:1] in classes[status] if status in classes else code == status


@ROUTES.post("projects/:id/hooks/:hook_id/events/:event_id/resend")
def _resend(call: ApiCall) -> Json:
    hook = _hook(call, _project(call))
    number = call.iid("event_id")
    entry = next((each for each in hook.log if each["id"] == number), None)
    if entry is None:
        raise not_found()
    call.lab.outbox.put(entry["delivery"])
    return {"response_status": 200}


@ROUTES.post("projects/:id/hooks/:hook_id/test/:trigger")
def _test(call: ApiCall) -> Json:
    project = _project(call)
    hook = _hook(call, project)
    if call.path["trigger"] not in EVENTS:
        raise bad_request("trigger does not have a valid value")
    webhooks.queue_delivery(call.lab, hook, call.path["trigger"], _sample(call, project))
    return {"message": "201 Created"}


def _sample(call: ApiCall, project: Project) -> Json:
    """A body for a test event, from the last issue or merge request of the project."""
    lab, user = call.lab, call.user
    kind = call.path["trigger"].removesuffix("_events")
    things: dict[str, list[Any]] = {
        "issues": list(project.issues.values()),
        "merge_requests": list(project.merge_requests.values()),
    }
    if things.get(kind):
        return payloads.noteable_payload(lab, things[kind][-1], user, "open", {})
    if kind in things:
        raise GitLabApiError(422, {"message": f"Ensure the project has {kind.replace('_', ' ')}."})
    return payloads.event_head(lab, kind, kind, user, project)
