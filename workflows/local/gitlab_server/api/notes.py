"""Endpoints: notes and discussions, of issues and of merge requests."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.actions import comments
from workflows.local.gitlab_server.api import issues, merge_requests
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    bad_request,
    forbidden,
    gitlab_response,
    not_found,
)
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state import api_json
from workflows.local.gitlab_server.state.model import (
    DEVELOPER,
    GUEST,
    MAINTAINER,
    PLANNER,
    Note,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Discussion, Noteable, Project

    Handler = Callable[[ApiCall, Noteable], Any]

ROUTES = Routes()


def _on_both(method: str, path: str, status: int) -> Callable[[Handler], Handler]:
    """Register a handler under issues and under merge requests."""

    def register(handler: Handler) -> Handler:
        @ROUTES.add(method, f"projects/:id/issues/:issue_iid/{path}", status)
        def _issue(call: ApiCall) -> Any:
            return handler(call, issues.find_issue(call, call.project()))

        @ROUTES.add(method, f"projects/:id/merge_requests/:merge_request_iid/{path}", status)
        def _merge_request(call: ApiCall) -> Any:
            return handler(call, merge_requests.find_merge_request(call, call.code()))

        return handler

    return register


def _may_read(call: ApiCall, note: Note, on: Noteable) -> bool:
    planner = call.lab.level(on.project, call.asker) >= PLANNER
    return not note.internal or planner or note.author is call.asker


def _note(call: ApiCall, on: Noteable) -> Note:
    number = call.iid("note_id")
    for note in on.notes:
        if note.id == number and _may_read(call, note, on):
            return note
    raise not_found("Note")


def _thread(call: ApiCall, on: Noteable) -> Discussion:
    for thread in on.discussions:
        if thread.id == call.path["discussion_id"]:
            return thread
    raise not_found("Discussion")


def _may_write(call: ApiCall, on: Noteable) -> None:
    lab, user = call.lab, call.user
    level = lab.level(on.project, user)
    closed = on.project.archived or (on.discussion_locked and not level)
    if closed or (level < GUEST and on.project.visibility == "private"):
        raise forbidden()
    if call.flag("internal") and level < PLANNER:
        raise forbidden()
    if lab.notes_limit is not None and _recent_notes(call, on.project) >= lab.notes_limit:
        text = "This endpoint has been requested too many times. Try again later."
        raise GitLabApiError(429, {"message": {"error": text}})


def _recent_notes(call: ApiCall, project: Project) -> int:
    """How many notes the asker has written in the project within the last minute."""
    since = call.lab.now() - timedelta(minutes=1)
    things = (*project.issues.values(), *project.merge_requests.values())
    notes = (note for thing in things for note in thing.notes if not note.system)
    return sum(note.author is call.user and note.created_at > since for note in notes)


def _may_change(call: ApiCall, on: Noteable, note: Note) -> None:
    maintainer = call.lab.level(on.project, call.user) >= MAINTAINER
    if note.system or not (note.author is call.user or maintainer):
        raise forbidden()


# --- notes -----------------------------------------------------------------------------------


@_on_both("GET", "notes", 200)
def _list(call: ApiCall, on: Noteable) -> Response:
    kind = call.choice(
        "activity_filter", ("all_notes", "only_comments", "only_activity"), "all_notes"
    )
    order = call.choice("order_by", ("created_at", "updated_at"), "created_at")
    descending = call.choice("sort", ("asc", "desc"), "desc") == "desc"
    found = [note for note in on.notes if _may_read(call, note, on)]
    if kind != "all_notes":
        found = [note for note in found if note.system == (kind == "only_activity")]
    found.sort(key=lambda note: (getattr(note, order), note.id), reverse=descending)
    threads = {note.id: thread for thread in on.discussions for note in thread.notes}
    return paginate(
        call, found, lambda note: api_json.note_json(call.lab, note, on, threads[note.id])
    )


@_on_both("GET", "notes/:note_id", 200)
def _get(call: ApiCall, on: Noteable) -> Any:
    note = _note(call, on)
    thread = next(each for each in on.discussions if note in each.notes)
    return api_json.note_json(call.lab, note, on, thread)


@_on_both("POST", "notes", 201)
def _create(call: ApiCall, on: Noteable) -> Any:
    body = call.required("body")
    _may_write(call, on)
    internal = bool(call.flag("internal") or call.flag("confidential"))
    return _written(
        call, on, comments.write_comment(call.lab, on, call.user, body, internal=internal)
    )


def _written(call: ApiCall, on: Noteable, made: Note | comments.QuickActionsResult) -> Any:
    if isinstance(made, Note):
        thread = next(each for each in on.discussions if made in each.notes)
        return api_json.note_json(call.lab, made, on, thread)
    return gitlab_response({"commands_changes": made.changes, "summary": made.summary}, 202)


@_on_both("PUT", "notes/:note_id", 200)
def _update(call: ApiCall, on: Noteable) -> Any:
    note = _note(call, on)
    body = call.required("body")
    if note.system or note.author is not call.user:
        raise forbidden()
    comments.edit_comment(call.lab, on, note, body)
    return api_json.note_json(call.lab, note, on)


@_on_both("DELETE", "notes/:note_id", 204)
def _delete(call: ApiCall, on: Noteable) -> None:
    note = _note(call, on)
    _may_change(call, on, note)
    for thread in list(on.discussions):
        if note in thread.notes:
            thread.notes.remove(note)
        if not thread.notes:
            on.discussions.remove(thread)


# --- discussions -----------------------------------------------------------------------------


def _shown(call: ApiCall, on: Noteable, thread: Discussion) -> Any:
    notes = [note for note in thread.notes if _may_read(call, note, on)]
    return api_json.discussion_json(call.lab, thread, on, notes)


@_on_both("GET", "discussions", 200)
def _discussions(call: ApiCall, on: Noteable) -> Response:
    found = [t for t in on.discussions if any(_may_read(call, note, on) for note in t.notes)]
    return paginate(call, found, lambda thread: _shown(call, on, thread))


@_on_both("GET", "discussions/:discussion_id", 200)
def _discussion(call: ApiCall, on: Noteable) -> Any:
    return _shown(call, on, _thread(call, on))


@_on_both("POST", "discussions", 201)
def _start(call: ApiCall, on: Noteable) -> Any:
    body = call.required("body")
    position = call.params.get("position")
    _may_write(call, on)
    if position is not None and not _fits(position, on):
        raise bad_request('400 Bad request - Note {:line_code=>["can\'t be blank"]}')
    made = comments.write_comment(call.lab, on, call.user, body, new_thread=True, position=position)
    if not isinstance(made, Note):
        return _written(call, on, made)
    return _shown(call, on, next(each for each in on.discussions if made in each.notes))


def _fits(position: Any, on: Noteable) -> bool:
    """Whether a position names a line of the diff."""
    if not isinstance(position, dict) or api_json.noteable_kind(on) != "MergeRequest":
        return False
    shas = all(position.get(name) for name in ("base_sha", "start_sha", "head_sha"))
    return shas and bool(position.get("new_line") or position.get("old_line"))


@_on_both("POST", "discussions/:discussion_id/notes", 201)
def _reply(call: ApiCall, on: Noteable) -> Any:
    thread = _thread(call, on)
    body = call.required("body")
    _may_write(call, on)
    return _written(call, on, comments.write_comment(call.lab, on, call.user, body, thread=thread))


@ROUTES.put("projects/:id/merge_requests/:merge_request_iid/discussions/:discussion_id")
def _resolve(call: ApiCall) -> Any:
    on = merge_requests.find_merge_request(call, call.code())
    thread = _thread(call, on)
    call.require("resolved")
    resolved = call.flag("resolved")
    if not any(note.resolvable for note in thread.notes):
        raise bad_request("400 Bad request - Discussion is not resolvable")
    level = call.lab.level(on.project, call.user)
    if level < DEVELOPER and call.user is not on.author:
        raise forbidden()
    for note in thread.notes:
        note.resolved_at = call.lab.now() if resolved else None
        note.resolved_by = call.user if resolved else None
    return _shown(call, on, thread)
