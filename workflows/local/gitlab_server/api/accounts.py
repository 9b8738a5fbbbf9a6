"""Endpoints: user, users, version, metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.gitlab_server.http.answers import not_found
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.gitlab_state import REVISION, VERSION

if TYPE_CHECKING:
    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json

ROUTES = Routes()


@ROUTES.get("user")
def _current(call: ApiCall) -> Json:
    user = call.user
    found = api_json.user_json(call.lab, user) | {"email": user.email, "bot": user.bot}
    return found | ({"is_admin": True} if user.is_admin else {})


@ROUTES.get("users")
def _users(call: ApiCall) -> Response:
    found = list(call.lab.users.values())
    if call.has("username"):
        one = call.lab.find_user(call.text("username") or "")
        found = [one] if one else []
    elif call.asker is None:
        found = []
    search = (call.text("search") or "").lower()
    found = [u for u in found if search in u.username.lower() or search in u.name.lower()]
    return paginate(call, found, lambda u: api_json.user_json(call.lab, u), key=lambda u: u.id)


@ROUTES.get("users/:user_id")
def _user(call: ApiCall) -> Json:
    found = call.lab.users.get(call.iid("user_id"))
    if found is None:
        raise not_found("User")
    return api_json.user_json(call.lab, found) | {"bot": found.bot}


@ROUTES.get("version")
def _version(call: ApiCall) -> Json:
    _ = call.user
    return {"version": VERSION, "revision": REVISION}


@ROUTES.get("metadata")
def _metadata(call: ApiCall) -> Json:
    _ = call.user
    kas = {"enabled": False, "externalUrl": None, "version": None}
    return {"version": VERSION, "revision": REVISION, "kas": kas, "enterprise": False}
