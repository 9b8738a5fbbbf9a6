"""Filters, order and update fields that issues and merge requests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.http.answers import invalid_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.model import Json, Noteable

    Check = Callable[[Any], bool]
    People = Callable[[Any], list[Any]]

_ORDERS = (
    "created_at",
    "updated_at",
    "title",
    "due_date",
    "priority",
    "label_priority",
    "milestone_due",
    "popularity",
    "relative_position",
    "weight",
    "merged_at",
    "id",
)


def filtered(call: ApiCall, items: Iterable[Any]) -> list[Any]:
    """The items that fit every filter of the query."""
    checks = [*_by_labels(call), *_by_people(call), *_by_text(call), *_by_time(call)]
    return [item for item in items if all(check(item) for check in checks)]


def _by_labels(call: ApiCall) -> Iterable[Callable[[Noteable], bool]]:
    wanted = call.words("labels")
    lowered = [word.lower() for word in wanted]
    if lowered == ["none"]:
        yield lambda one: not one.labels
    elif lowered == ["any"]:
        yield lambda one: bool(one.labels)
    elif wanted:
        yield lambda one: set(wanted) <= {label.name for label in one.labels}
    refused = call.params.get("not")
    if isinstance(refused, dict) and refused.get("labels"):
        given = refused["labels"]
        names = set(given if isinstance(given, list) else str(given).split(","))
        yield lambda one: not names & {label.name for label in one.labels}


def _has_name(people: People, names: set[str]) -> Check:
    return lambda one: bool(names & {person.username for person in people(one)})


def _after(field: str, moment: datetime) -> Check:
    return lambda one: bool(getattr(one, field) >= moment)


def _before(field: str, moment: datetime) -> Check:
    return lambda one: bool(getattr(one, field) <= moment)


def _by_people(call: ApiCall) -> Iterable[Callable[[Any], bool]]:
    for role, people in (
        ("author", lambda one: [one.author]),
        ("assignee", lambda one: one.assignees),
        ("reviewer", lambda one: getattr(one, "reviewers", [])),
    ):
        if call.has(f"{role}_id"):
            yield _with_id(call, role, people)
        if call.has(f"{role}_username"):
            names = set(call.words(f"{role}_username"))
            yield _has_name(people, names)


def _with_id(call: ApiCall, role: str, people: Callable[[Any], list[Any]]) -> Callable[[Any], bool]:
    word = (call.text(f"{role}_id") or "").lower()
    if word in {"none", "any"}:
        return lambda one: bool(people(one)) == (word == "any")
    number = call.number(f"{role}_id")
    return lambda one: number in {person.id for person in people(one)}


def _by_text(call: ApiCall) -> Iterable[Callable[[Noteable], bool]]:
    iids = call.numbers("iids")
    if iids:
        yield lambda one: one.iid in iids
    search = (call.text("search") or "").lower()
    places = call.words("in") or ["title", "description"]
    if search:
        yield lambda one: any(search in (getattr(one, place) or "").lower() for place in places)


def _by_time(call: ApiCall) -> Iterable[Callable[[Any], bool]]:
    for field in ("created_at", "updated_at"):
        short = field.removesuffix("_at")
        after, before = call.moment(f"{short}_after"), call.moment(f"{short}_before")
        if after:
            yield _after(field, after)
        if before:
            yield _before(field, before)


def ordered(call: ApiCall, items: Iterable[Any]) -> list[Any]:
    """The items in the order that the query asks for: newest first."""
    order = call.choice("order_by", _ORDERS, "created_at")
    descending = call.choice("sort", ("asc", "desc"), "desc") == "desc"
    attribute = order if order in {"created_at", "updated_at", "title", "id"} else "created_at"
    return sorted(items, key=lambda one: (getattr(one, attribute), one.id), reverse=descending)


def fields_of(call: ApiCall, texts: tuple[str, ...]) -> Json:
    """The fields that a request changes, for `editing.edit`; `texts` names the plain strings."""
    found: Json = {name: call.text(name) for name in texts if call.has(name)}
    for name in ("labels", "add_labels", "remove_labels"):
        if call.has(name):
            found[name] = call.words(name)
    if call.has("state_event"):
        found["state_event"] = call.text("state_event")
    if call.has("discussion_locked"):
        found["discussion_locked"] = call.flag("discussion_locked")
    found |= _people_fields(call)
    if "title" in found and found["title"] is None:
        raise invalid_parameter("title is invalid")
    return found


def _people_fields(call: ApiCall) -> Json:
    """Assignees and reviewers; the free edition of GitLab keeps the first of each."""
    found: Json = {}
    for name, field in (
        ("assignee_ids", "assignees"),
        ("reviewer_ids", "reviewers"),
        ("assignee_id", "assignees"),
    ):
        if call.has(name):
            people = (call.lab.users.get(number) for number in call.numbers(name))
            found[field] = [person for person in people if person][:1]
    return found
