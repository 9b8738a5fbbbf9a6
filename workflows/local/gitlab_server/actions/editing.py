"""Opening and changing issues and merge requests: rules, system notes, events, hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.events import payloads, webhooks
from workflows.local.gitlab_server.http.answers import unacceptable
from workflows.local.gitlab_server.state.model import (
    PLANNER,
    Discussion,
    Issue,
    MergeRequest,
    Note,
    iso,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, Noteable, Project, User

MAX_TITLE = 255
MAX_DESCRIPTION = 1_048_576
_PLAIN = (
    "title",
    "description",
    "discussion_locked",
    "confidential",
    "issue_type",
    "due_date",
    "target_branch",
    "squash",
    "remove_source_branch",
)


def check_title(title: str) -> None:
    """Refuse a title that GitLab would not save."""
    if not title.strip():
        raise unacceptable("title", "can't be blank")
    if len(title) > MAX_TITLE:
        raise unacceptable("title", f"is too long (maximum is {MAX_TITLE} characters)")


def check_description(description: str | None) -> None:
    """Refuse a description that GitLab would not save."""
    if description and len(description) > MAX_DESCRIPTION:
        problem = f"is too long (maximum is {MAX_DESCRIPTION} characters)"
        raise unacceptable("description", problem)


def open_issue(  # noqa: PLR0913 - the fields of an issue
    lab: GitLabState,
    project: Project,
    author: User,
    title: str,
    description: str | None = None,
    *,
    labels: Iterable[str] = (),
    assignees: Iterable[User] = (),
    **more: Any,
) -> Issue:
    """Create an issue and queue its event; `more` are fields such as `confidential`."""
    check_title(title)
    check_description(description)
    now = lab.now()
    issue = Issue(
        id=lab.next_id("issue"),
        iid=max(project.issues, default=0) + 1,
        project=project,
        author=author,
        title=title,
        description=description,
        created_at=now,
        updated_at=now,
        labels=[lab.label(project, name) for name in dict.fromkeys(labels)],
        assignees=list(assignees),
        **more,
    )
    project.issues[issue.iid] = issue
    webhooks.fire_noteable_event(lab, issue, author, "open")
    return issue


def may_edit(lab: GitLabState, one: Noteable, actor: User) -> bool:
    """Planners may edit issues, Developers merge requests; authors and assignees their own."""
    level = lab.level(one.project, actor)
    needed = PLANNER if isinstance(one, Issue) else 30
    return level >= needed or actor is one.author or actor in one.assignees


def edit(lab: GitLabState, one: Noteable, actor: User, fields: Json) -> None:
    """Change the fields, as PUT does, and queue one event if anything changed.

    Besides plain fields: labels, add_labels, remove_labels (names), assignees, reviewers (users),
    state_event (close, reopen).
    """
    if fields.get("title") is not None:
        check_title(fields["title"])
    check_description(fields.get("description"))
    before = payloads.noteable_snapshot(one)
    _edit_plain(lab, one, actor, fields)
    _edit_labels(lab, one, actor, fields)
    _edit_people(lab, one, actor, fields)
    action = _edit_state(lab, one, actor, fields.get("state_event"))
    after = payloads.noteable_snapshot(one)
    if after != before:
        one.updated_at = lab.now()
        webhooks.fire_noteable_event(lab, one, actor, action, before)


def _edit_plain(lab: GitLabState, one: Noteable, actor: User, fields: Json) -> None:
    for name in _PLAIN:
        if name not in fields or not hasattr(one, name) or getattr(one, name) == fields[name]:
            continue
        if name == "title":
            text = f"changed title from **{one.title}** to **{fields[name]}**"
            system_note(lab, one, actor, text)
        elif name == "description":
            system_note(lab, one, actor, "changed the description")
        setattr(one, name, fields[name])


def _edit_labels(lab: GitLabState, one: Noteable, actor: User, fields: Json) -> None:
    had = {label.name for label in one.labels}
    wanted = set(fields["labels"]) if "labels" in fields else set(had)
    wanted = (wanted | set(fields.get("add_labels", ()))) - set(fields.get("remove_labels", ()))
    one.labels = [lab.label(one.project, name) for name in sorted(wanted)]
    for name in sorted(had ^ wanted):
        entry = {
            "id": lab.next_id("label-event"),
            "user_id": actor.id,
            "action": "add" if name in wanted else "remove",
            "label": name,
            "created_at": iso(lab.now()),
        }
        one.label_events.append(entry)


def _edit_people(lab: GitLabState, one: Noteable, actor: User, fields: Json) -> None:
    assignees = fields.get("assignees")
    if assignees is not None and assignees != one.assignees:
        one.assignees = list(assignees)
        names = " and ".join(f"@{person.username}" for person in assignees)
        system_note(lab, one, actor, f"assigned to {names}" if names else "removed assignee")
    reviewers = fields.get("reviewers")
    if isinstance(one, MergeRequest) and reviewers is not None and reviewers != one.reviewers:
        one.reviewers = list(reviewers)
        names = " and ".join(f"@{person.username}" for person in reviewers)
        text = f"requested review from {names}" if names else "removed review request"
        system_note(lab, one, actor, text)


def _edit_state(lab: GitLabState, one: Noteable, actor: User, event: str | None) -> str:
    """Close or reopen; returns the action for the event."""
    if event == "close" and one.state == "opened":
        one.state, one.closed_at, one.closed_by = "closed", lab.now(), actor
    elif event == "reopen" and one.state == "closed":
        one.state, one.closed_at, one.closed_by = "opened", None, None
    else:
        return "update"
    state_event(lab, one, actor)
    return event


def state_event(lab: GitLabState, one: Noteable, actor: User) -> None:
    """Record a change of state, as GET …/resource_state_events lists it."""
    entry = {
        "id": lab.next_id("state-event"),
        "user_id": actor.id,
        "state": "reopened" if one.state == "opened" else one.state,
        "created_at": iso(lab.now()),
    }
    one.state_events.append(entry)


def system_note(lab: GitLabState, one: Noteable, actor: User, body: str) -> Note:
    """Add a note that GitLab writes in the name of `actor`."""
    now = lab.now()
    note = Note(
        id=lab.next_id("note"),
        body=body,
        author=actor,
        created_at=now,
        updated_at=now,
        system=True,
    )
    one.discussions.append(Discussion(lab.hex_id("discussion"), individual=True, notes=[note]))
    return note
