"""Which hooks hear of what: from something that happened to deliveries in the outbox."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflows.local.gitlab_server.events import payloads
from workflows.local.gitlab_server.state.model import Issue, MergeRequest
from workflows.local.gitlab_server.state.outbox import Delivery
from workflows.local.gitlab_server.state.state import VERSION

if TYPE_CHECKING:
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
    from workflows.local.gitlab_server.state.state import GitLab

_FAILURES_UNTIL_PAUSE = 4
_FAILURES_UNTIL_OFF = 40
_LONGEST_PAUSE = timedelta(days=1)


def fire(lab: GitLab, project: Project, flag: str, body: Json, *, branch: str = "") -> None:
    """Put one delivery for each hook that listens; with `branch`, only where its filter fits."""
    for hook in project.hooks.values():
        if flag in hook.events and _listens(hook, branch) and _executable(lab, hook):
            deliver(lab, hook, flag, body)


def deliver(lab: GitLab, hook: Hook, flag: str, body: Json, *, key: str = "") -> None:
    """Put one delivery (and the duplicates that the state asks for) in the outbox."""
    delivery = Delivery(
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


def _executable(lab: GitLab, hook: Hook) -> bool:
    return alert_status(lab, hook) == "executable"


def alert_status(lab: GitLab, hook: Hook) -> str:
    """Whether a hook is on; failing ones are switched off only where the state says so."""
    if not lab.auto_disable_hooks or hook.failures < _FAILURES_UNTIL_PAUSE:
        return "executable"
    if hook.failures >= _FAILURES_UNTIL_OFF:
        return "disabled"
    over = hook.disabled_until is not None and hook.disabled_until <= lab.now()
    return "executable" if over else "temporarily_disabled"


def record(lab: GitLab, delivery: Delivery, status: int | None) -> None:
    """Count failures in a row; one success forgives them all."""
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


def noteable_event(
    lab: GitLab,
    one: Noteable,
    actor: User,
    action: str,
    before: Json | None = None,
    **more: Any,
) -> None:
    """Tell that an issue or merge request was opened, changed, closed or merged."""
    changes = payloads.changes(before or {}, payloads.snapshot(one)) if before else {}
    if isinstance(one, Issue):
        flag = "confidential_issues_events" if one.confidential else "issues_events"
    else:
        flag = "merge_requests_events"
    if any(flag in hook.events for hook in one.project.hooks.values()):
        body = payloads.noteable_event(lab, one, actor, action, changes, **more)
        branch = one.target_branch if isinstance(one, MergeRequest) else ""
        fire(lab, one.project, flag, body, branch=branch)


def note_event(lab: GitLab, one: Note, on: Noteable, discussion: Discussion, action: str) -> None:
    """Tell of a comment; system notes are nobody's business."""
    if one.system or not on.project.hooks:
        return
    hidden = one.internal or (isinstance(on, Issue) and on.confidential)
    flag = "confidential_note_events" if hidden else "note_events"
    fire(lab, on.project, flag, payloads.note_event(lab, one, on, discussion, action))


def pipeline_event(lab: GitLab, one: Pipeline, status: str) -> None:
    """Tell that a pipeline reached a status."""
    if one.project.hooks:
        body = payloads.pipeline_event(lab, one, status)
        fire(lab, one.project, "pipeline_events", body, branch=one.ref)
