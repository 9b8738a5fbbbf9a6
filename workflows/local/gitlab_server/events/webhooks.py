"""Puts events into the outbox, for those webhooks that want them."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.events import payloads
from workflows.local.gitlab_server.state.gitlab_state import VERSION
from workflows.local.gitlab_server.state.model import Issue, MergeRequest
from workflows.local.gitlab_server.state.outbox import WebhookDelivery

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import (
        Discussion,
        Hook,
        Json,
        Note,
        Noteable,
        Pipeline,
        Project,
        User,
    )

_FAILURES_UNTIL_PAUSE = 4
_FAILURES_UNTIL_OFF = 40
_LONGEST_PAUSE = timedelta(days=1)


def fire_event(
    lab: GitLabState, project: Project, flag: str, body: Json, *, branch: str = ""
) -> None:
    """Queue a delivery for each webhook with this flag; `branch` must fit its branch filter."""
    for hook in project.hooks.values():
        if flag in hook.events and _listens(hook, branch) and _executable(lab, hook):
            queue_delivery(lab, hook, flag, body)


def queue_delivery(lab: GitLabState, hook: Hook, flag: str, body: Json, *, key: str = "") -> None:
    """Queue one delivery, and as many duplicates as the state asks for."""
    delivery = WebhookDelivery(
        id=lab.next_id("hook-event"),
        hook=hook,
        event=_event_name(flag),
        body=json.dumps(body, ensure_ascii=False).encode(),
        key=key or str(uuid.uuid4()),
        instance=lab.url,
        version=VERSION,
    )
    for _ in range(1 + lab.duplicate_webhooks):
        lab.outbox.put(delivery)


def _event_name(flag: str) -> str:
    """`merge_requests_events` is the flag of `Merge Request Hook`."""
    words = flag.removesuffix("_events").split("_")
    words[-1] = words[-1].removesuffix("s") if words[-1] != "push" else "push"
    return " ".join(word.capitalize() for word in [*words, "hook"])


def _listens(hook: Hook, branch: str) -> bool:
    wanted = hook.push_events_branch_filter
    return not (branch and wanted) or bool(
        re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), branch)
    )


def _executable(lab: GitLabState, hook: Hook) -> bool:
    return alert_status(lab, hook) == "executable"


def alert_status(lab: GitLabState, hook: Hook) -> str:
    """Whether a webhook is active; failing ones are disabled only if the state says so."""
    if not lab.auto_disable_hooks or hook.failures < _FAILURES_UNTIL_PAUSE:
        return "executable"
    if hook.failures >= _FAILURES_UNTIL_OFF:
        return "disabled"
    over = hook.disabled_until is not None and hook.disabled_until <= lab.now()
    return "executable" if over else "temporarily_disabled"


def record_result(lab: GitLabState, delivery: WebhookDelivery, status: int | None) -> None:
    """Count failures in a row; a success sets the count to zero."""
    with lab.lock:
        hook = delivery.hook
        if status is not None and status < 400:  # noqa: PLR2004 - 2xx and 3xx are successes
            hook.failures = 0
            hook.disabled_until = None
            return
        hook.failures += 1
        if hook.failures >= _FAILURES_UNTIL_PAUSE:
            doubled = timedelta(minutes=2 ** min(hook.failures - _FAILURES_UNTIL_PAUSE, 11))
            hook.disabled_until = lab.now() + min(doubled, _LONGEST_PAUSE)


def fire_noteable_event(
    lab: GitLabState,
    one: Noteable,
    actor: User,
    action: str,
    before: Json | None = None,
    **more: Any,
) -> None:
    """Queue the event that an issue or merge request was opened, changed, closed or merged."""
    changes = (
        payloads.changed_fields(before or {}, payloads.noteable_snapshot(one)) if before else {}
    )
    if isinstance(one, Issue):
        flag = "confidential_issues_events" if one.confidential else "issues_events"
    else:
        flag = "merge_requests_events"
    if any(flag in hook.events for hook in one.project.hooks.values()):
        body = payloads.noteable_payload(lab, one, actor, action, changes, **more)
        branch = one.target_branch if isinstance(one, MergeRequest) else ""
        fire_event(lab, one.project, flag, body, branch=branch)


def fire_note_event(
    lab: GitLabState, one: Note, on: Noteable, discussion: Discussion, action: str
) -> None:
    """Queue the event of a note; system notes have none."""
    if one.system or not on.project.hooks:
        return
    hidden = one.internal or (isinstance(on, Issue) and on.confidential)
    flag = "confidential_note_events" if hidden else "note_events"
    fire_event(lab, on.project, flag, payloads.note_payload(lab, one, on, discussion, action))


def fire_pipeline_event(lab: GitLabState, one: Pipeline, status: str) -> None:
    """Queue the event that a pipeline reached a status."""
    if one.project.hooks:
        body = payloads.pipeline_payload(lab, one, status)
        fire_event(lab, one.project, "pipeline_events", body, branch=one.ref)
