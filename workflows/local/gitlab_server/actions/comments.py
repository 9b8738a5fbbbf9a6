"""Writing and changing comments, with their quick actions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.local.gitlab_server.actions import editing
from workflows.local.gitlab_server.events import webhooks
from workflows.local.gitlab_server.http.answers import bad_request
from workflows.local.gitlab_server.state.model import Discussion, MergeRequest, Note

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, Noteable, User

MAX_BODY = 1_000_000
_COMMAND = re.compile(r"/([a-z_]+)(?:[ \t]+(.*))?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,}|>>>)")
_LABEL = re.compile(r'~"([^"]+)"|~([^\s~"]+)|"([^"]+)"|(\S+)')


@dataclass
class QuickActionsResult:
    """What the quick actions of a comment changed. `failed`: none of them could be applied."""

    changes: Json = field(default_factory=dict)
    summary: list[str] = field(default_factory=list)
    failed: bool = False


def write_comment(  # noqa: PLR0913 - the fields of a note
    lab: GitLabState,
    on: Noteable,
    author: User,
    body: str,
    *,
    internal: bool = False,
    thread: Discussion | None = None,
    new_thread: bool = False,
    position: Json | None = None,
) -> Note | QuickActionsResult:
    """Add a comment and run its quick actions; a body of quick actions only makes no note.

    Raises:
        GitLabApiError: the body is blank or too long, or nothing in it could be carried out.
    """
    check_comment(body)
    text, lines = split_quick_actions(body)
    done = run_quick_actions(lab, on, author, lines)
    if lines and not text.strip():
        if done.failed:
            raise bad_request(
                '400 Bad request - Note {:commands_only=>["Failed to apply commands."]}'
            )
        return done
    now = lab.now()
    note = Note(
        id=lab.next_id("note"),
        body=text,
        author=author,
        created_at=now,
        updated_at=now,
        internal=internal,
        resolvable=isinstance(on, MergeRequest) and (new_thread or thread is not None),
        position=position,
    )
    if thread is None:
        thread = Discussion(lab.hex_id("discussion"), individual=not new_thread, notes=[])
        on.discussions.append(thread)
    elif thread.individual:
        thread.individual = False
    thread.notes.append(note)
    on.updated_at = lab.now()
    webhooks.fire_note_event(lab, note, on, thread, "create")
    return note


def check_comment(body: str) -> None:
    """Refuse (400) a body that is blank or too long."""
    if not body.strip():
        raise bad_request('400 Bad request - Note {:note=>["can\'t be blank"]}')
    if len(body) > MAX_BODY:
        problem = f"is too long (maximum is {MAX_BODY} characters)"
        raise bad_request(f'400 Bad request - Note {{:note=>["{problem}"]}}')


def edit_comment(lab: GitLabState, on: Noteable, note: Note, body: str) -> None:
    """Change a comment; quick actions in it are not run."""
    check_comment(body)
    note.body = body
    note.updated_at = lab.now()
    thread = next(each for each in on.discussions if note in each.notes)
    webhooks.fire_note_event(lab, note, on, thread, "update")


def split_quick_actions(body: str) -> tuple[str, list[str]]:
    """The text without its quick actions, and these; code blocks and quotes have none."""
    kept: list[str] = []
    commands: list[str] = []
    fence = ""
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if mark:
            fence = _fence_after(fence, mark[1])
        elif not fence and _is_quick_action(line):
            commands.append(line.rstrip())
            continue
        kept.append(line)
    return "\n".join(kept).strip("\n") if commands else body, commands


def _fence_after(fence: str, mark: str) -> str:
    """The fence that is open after this line; "" is none. A fence is closed by one as long."""
    if not fence:
        return mark
    return "" if mark.startswith(fence) else fence


def _is_quick_action(line: str) -> bool:
    command = _COMMAND.fullmatch(line.rstrip())
    return command is not None and command[1] in _ACTIONS


def run_quick_actions(
    lab: GitLabState, on: Noteable, author: User, lines: list[str]
) -> QuickActionsResult:
    """Run quick actions, if the author may edit."""
    done = QuickActionsResult()
    fields: Json = {}
    for line in lines if editing.may_edit(lab, on, author) else ():
        name, *argument = re.split(r"[ \t]+", line[1:], maxsplit=1)
        found = _ACTIONS[name](lab, on, "".join(argument).strip())
        if found:
            fields |= found
            done.summary.append(f"Applied /{name}.")
    if fields:
        editing.edit(lab, on, author, fields)
    done.changes = {name: str(value) for name, value in fields.items()}
    done.failed = bool(lines) and not fields
    return done


def _labels(text: str) -> list[str]:
    return [next(filter(None, groups)) for groups in _LABEL.findall(text)]


def _assigned(lab: GitLabState, _on: Noteable, text: str) -> Json:
    people = [lab.find_user(word.strip(",").removeprefix("@")) for word in text.split()]
    return {"assignees": [person for person in people if person][:1]} if any(people) else {}


def _draft(_lab: GitLabState, on: Noteable, _text: str) -> Json:
    return {"title": f"Draft: {on.title}"} if isinstance(on, MergeRequest) else {}


def _ready(_lab: GitLabState, on: Noteable, _text: str) -> Json:
    title = re.sub(r"^(draft:|\[draft\]|\(draft\))\s*", "", on.title, flags=re.IGNORECASE)
    return {"title": title} if isinstance(on, MergeRequest) and title != on.title else {}


_ACTIONS: dict[str, Callable[[GitLabState, Noteable, str], Json]] = {
    "close": lambda _lab, on, _text: {"state_event": "close"} if on.state == "opened" else {},
    "reopen": lambda _lab, on, _text: {"state_event": "reopen"} if on.state == "closed" else {},
    "label": lambda _lab, _on, text: {"add_labels": _labels(text)} if text else {},
    "unlabel": lambda _lab, on, text: {
        "remove_labels": _labels(text) or [label.name for label in on.labels]
    },
    "title": lambda _lab, _on, text: {"title": text} if text else {},
    "assign": _assigned,
    "unassign": lambda _lab, _on, _text: {"assignees": []},
    "confidential": lambda _lab, _on, _text: {"confidential": True},
    "draft": _draft,
    "ready": _ready,
}
