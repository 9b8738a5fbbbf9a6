"""From a GitLab webhook to the message it asks for, or the reason why it is ignored. Pure.

`authenticity.verify_webhook` is called before. Only numbers and names are read here. No text of an
issue or comment goes into a message, so confidential issues and internal comments are treated like
any other. The flow decides who may start work, by the numeric user id in the message.

| event | starts resolve_issue when |
| --- | --- |
| issue opened or changed | the label was not there before and is now |
| issue opened or changed | the bot was no assignee before and is now |
| new comment on an open issue | a line of it is the command and nothing else |
| new comment on an open merge request of the bot | it mentions the bot, or holds the command |
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workflows.trigger.message import MessageRefused, load_json

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKFLOW = "resolve_issue"
_BRANCH = re.compile(r"(?:issue-)?([1-9][0-9]{0,9})(?:-|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TICKS = re.compile(r"`+")
_KEY = re.compile(r"[!-~]{1,200}")
_MAX_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class TriggerRules:
    """What starts work. `bot_id` is the numeric id of the user whose token the flows use."""

    bot_id: int
    bot_username: str
    label: str = "workflows::resolve"
    command: str = "/workflows resolve"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A workflow to start. `dedupe_key` is the same when GitLab sends the event again."""

    workflow: str
    parameters: dict[str, Any]
    trigger: str
    dedupe_key: str
    issue: str
    user: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An authentic webhook that starts nothing, and why."""

    because: str


class _Nothing(Exception):
    """The event starts nothing; the text says why."""


def read_webhook(headers: Mapping[str, str], body: bytes, rules: TriggerRules) -> Wanted | Ignored:
    """What a verified webhook asks for. `headers` have lower-case names; never raises."""
    try:
        return _read(headers, load_json(body), rules)
    except MessageRefused as error:
        return Ignored(f"its body cannot be read: {error.findings[0]}")
    except _Nothing as reason:
        return Ignored(str(reason))


def _read(headers: Mapping[str, str], event: Any, rules: TriggerRules) -> Wanted:
    told = event.get("object_kind") if isinstance(event, dict) else None
    asked_by = {"issue": _issue, "note": _note}.get(told if isinstance(told, str) else "")
    if asked_by is None:
        raise _Nothing(f"{_name(told)} events start nothing")
    actor, project = _id(event, "user", "id"), _id(event, "project", "id")
    if actor is None or project is None:
        raise _Nothing("it names no numeric user or project")
    if actor == rules.bot_id:
        raise _Nothing("the bot itself did it")
    asked = asked_by(event, rules)
    parameters = {"project": str(project), "issue_iid": asked.iid, "actor_id": actor}
    if asked.asked_at:
        parameters["asked_at"] = asked.asked_at
    return Wanted(
        workflow=WORKFLOW,
        parameters=parameters,
        trigger=asked.trigger,
        dedupe_key=_dedupe_key(headers, event, project),
        issue=f"{project}#{asked.iid}",
        user=str(actor),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    iid: int
    trigger: str
    asked_at: str


def _issue(event: dict[str, Any], rules: TriggerRules) -> _Asked:
    """An issue that was opened or changed: label or assignee."""
    issue = _object(event, "object_attributes")
    action = issue.get("action")
    if action not in ("open", "update"):  # a tuple: a hostile action may be unhashable
        raise _Nothing(f"the action {_name(action)} of an issue starts nothing")
    iid = _open_issue(issue)
    opened = action == "open"
    when = _moment(issue.get("updated_at") or issue.get("created_at"), up=False)
    if _has_come(_labels(event, opened=opened), rules.label.casefold()):
        return _Asked(iid, "label", when)
    if _has_come(_assignees(event, opened=opened), rules.bot_id):
        return _Asked(iid, "assignment", when)
    raise _Nothing(f"neither the label {rules.label} nor the bot as assignee was added")


def _note(event: dict[str, Any], rules: TriggerRules) -> _Asked:
    """A new comment on an issue or merge request."""
    note = _object(event, "object_attributes")
    _check_new_comment(note)
    text = note.get("note")
    lines = _lines(text if isinstance(text, str) else "")
    commanded = any(line.strip().casefold() == rules.command.casefold() for line in lines)
    when = _moment(note.get("created_at"), up=True)
    if note.get("noteable_type") == "Issue":
        if not commanded:
            raise _Nothing(_not_understood(lines, rules))
        return _Asked(_open_issue(_object(event, "issue")), "comment", when)
    if note.get("noteable_type") == "MergeRequest":
        if not (commanded or _mentions(lines, rules.bot_username)):
            raise _Nothing(_not_understood(lines, rules))
        return _Asked(_issue_of(_object(event, "merge_request"), rules), "review", when)
    raise _Nothing("a comment on something that is neither an issue nor a merge request")


def _check_new_comment(note: dict[str, Any]) -> None:
    """Ignore a comment that was edited, and a note that GitLab wrote."""
    edited = note.get("updated_at") != note.get("created_at")
    if note.get("action", "update" if edited else "create") != "create":
        raise _Nothing("an edited comment starts nothing")
    if note.get("system"):
        raise _Nothing("a system note starts nothing")


def _open_issue(issue: dict[str, Any]) -> int:
    """The number of an issue that is open."""
    iid = _id(issue, "iid")
    if iid is None:
        raise _Nothing("it names no issue")
    if issue.get("state") != "opened":
        raise _Nothing("the issue is not open")
    return iid


def _issue_of(merge_request: dict[str, Any], rules: TriggerRules) -> int:
    """The issue that a merge request of the bot is for, by its branch `12-…`."""
    if merge_request.get("state") != "opened":
        raise _Nothing("the merge request is not open")
    if _id(merge_request, "author_id") != rules.bot_id:
        raise _Nothing("the merge request is not the bot's")
    if merge_request.get("source_project_id") != merge_request.get("target_project_id"):
        raise _Nothing("the merge request comes from a fork")
    found = _BRANCH.match(str(merge_request.get("source_branch") or ""))
    if found is None:
        raise _Nothing("the merge request's branch names no issue")
    return int(found[1])


def _not_understood(lines: list[str], rules: TriggerRules) -> str:
    word = rules.command.split()[0].casefold() + " "
    if any(line.strip().casefold().startswith(word) for line in lines):
        return f"the command in the comment is unknown; there is: {rules.command}"
    return "the comment asks for nothing"


def _lines(text: str) -> list[str]:
    """The lines of a comment that are not in a code block."""
    kept, fence = [], ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
        elif found:
            fence = found[1]
        else:
            kept.append(line)
    return kept


def _mentions(lines: list[str], username: str) -> bool:
    """Whether `@username` stands there as a name of its own, outside code and quotes."""
    spoken = "\n".join(line for line in lines if not line.lstrip().startswith(">"))
    name = re.escape(username)
    pattern = rf"(?<![\w@/.-])@{name}(?![\w/-])(?!\.\w)"
    return re.search(pattern, _without_code(spoken), re.IGNORECASE) is not None


def _without_code(text: str) -> str:
    """The text with a space for each code span; in linear time, for it comes from anybody.

    A span ends at the next run of as many backticks as it began with; without one it is none.
    """
    runs = [found.span() for found in _TICKS.finditer(text)]
    partners: list[int | None] = [None] * len(runs)
    latest: dict[int, int] = {}
    for number in reversed(range(len(runs))):
        start, end = runs[number]
        partners[number] = latest.get(end - start)
        latest[end - start] = number
    kept, at, number = [], 0, 0
    while number < len(runs):
        partner = partners[number]
        if partner is not None:
            kept.append(text[at : runs[number][0]])
            at, number = runs[partner][1], partner
        number += 1
    return " ".join([*kept, text[at:]])


Change = tuple[set[Any], set[Any]]


def _has_come(change: Change, wanted: object) -> bool:
    before, after = change
    return wanted in after and wanted not in before


def _labels(event: dict[str, Any], *, opened: bool) -> Change:
    """The titles of labels before and after, case folded."""
    before, after = _both(event, "labels", opened=opened)
    return {_title(one) for one in before}, {_title(one) for one in after}


def _assignees(event: dict[str, Any], *, opened: bool) -> Change:
    before, after = _both(event, "assignees", opened=opened)
    return {_id(one, "id") for one in before}, {_id(one, "id") for one in after}


def _both(event: dict[str, Any], name: str, *, opened: bool) -> tuple[list[Any], list[Any]]:
    """The list of `name` before and after the event; a new issue had nothing before."""
    if opened:
        return [], _list(event.get(name))
    change = _object(_object(event, "changes"), name)
    return _list(change.get("previous")), _list(change.get("current"))


def _title(label: Any) -> str:
    title = label.get("title") if isinstance(label, dict) else None
    return title.casefold() if isinstance(title, str) else ""


def _dedupe_key(headers: Mapping[str, str], event: dict[str, Any], project: int) -> str:
    """GitLab's own key where there is one; the signed name of it first."""
    given = headers.get("webhook-id") or headers.get("idempotency-key")
    if given:
        return f"gitlab:{given if _KEY.fullmatch(given) else _hashed(given)}"
    about = _object(event, "object_attributes")
    facts = (event.get("object_kind"), about.get("id"), about.get("action"))
    return f"gitlab:{_hashed(repr((project, *facts, about.get('updated_at'))))}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _moment(value: Any, *, up: bool) -> str:
    """A time of GitLab's in ISO 8601, UTC; empty if it is none.

    Older versions write whole seconds (`2026-11-22 04:00:00 UTC`): `up` means the end of that
    second, so that a comment is not later than itself.
    """
    if not isinstance(value, str):
        return ""
    try:
        found = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    if up and not found.microsecond:
        found = found.replace(microsecond=999_000)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _object(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(value: Any, *names: str) -> int | None:
    """A positive whole number at this place, else None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_NUMBER
    return value if good else None


def _name(value: Any) -> str:
    """A word from outside for a log line; anything else than a plain word is not repeated."""
    return value if isinstance(value, str) and re.fullmatch(r"[a-z_]{1,40}", value) else "unknown"
