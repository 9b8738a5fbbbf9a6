"""Everything that writes, with everything that goes wrong: done once, or an error that says so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.tasks.gitlab.support import MARK, Hub, wait_until
from workflows.core.errors import TransientError
from workflows.local.gitlab_server.actions import comments
from workflows.local.gitlab_server.state.model import Note
from workflows.tasks.gitlab import GitLab, MergeRequestFields

if TYPE_CHECKING:
    from collections.abc import Callable

WISH = MergeRequestFields("feature", "main", "T", "D", labels=("a",))


@dataclass
class Stage:
    """A project with an issue and a note, and the branches that the write is about."""

    hub: Hub
    iid: int
    note_id: int

    @property
    def own_id(self) -> int:
        return self.hub.user("dave").id

    def heads(self) -> set[str]:
        with self.hub.lab.lock:
            return set(self.hub.project.repository.branches())

    def bodies(self) -> list[str]:
        return [note.body for note in self.hub.notes(self.iid)]

    def titles(self) -> list[str]:
        with self.hub.lab.lock:
            return [one.title for one in self.hub.project.merge_requests.values()]


@pytest.fixture
def stage(request: pytest.FixtureRequest, name: str) -> Stage:
    """What the write of this name needs, and no more git than that."""
    write = WRITES[name]
    hub: Hub = request.getfixturevalue("hub" if write.branches is not None else "office")
    for branch in write.branches or ():
        hub.branch(branch)
    if "ready" in (write.branches or ()):
        hub.connect().open_merge_request(hub.id, MergeRequestFields("ready", "main", "Ready"))
    issue = hub.issue()
    with hub.lab.lock:
        note = comments.write_comment(hub.lab, issue, hub.user("dave"), "Old")
    assert isinstance(note, Note)
    hub.waits_s.clear()
    return Stage(hub, issue.iid, note.id)


@dataclass
class Write:
    """One call that writes: which request it makes, and what is true once it was done, once."""

    method: str
    path: str
    call: Callable[[GitLab, Stage], Any]
    done: Callable[[Stage], bool]
    undone: Callable[[Stage], bool]
    branches: tuple[str, ...] | None = None  # there before; None: the repository does not matter


WRITES = {
    "create_branch": Write(
        "POST",
        "/branches$",
        lambda g, s: g.create_branch(s.hub.id, "new", "main"),
        lambda s: s.heads() == {"main", "new"},
        lambda s: s.heads() == {"main"},
        (),
    ),
    "delete_branch": Write(
        "DELETE",
        "/branches/old$",
        lambda g, s: g.delete_branch(s.hub.id, "old"),
        lambda s: s.heads() == {"main"},
        lambda s: s.heads() == {"main", "old"},
        ("old",),
    ),
    "open_merge_request": Write(
        "POST",
        "/merge_requests$",
        lambda g, s: g.open_merge_request(s.hub.id, WISH),
        lambda s: s.titles() == ["T"],
        lambda s: s.titles() == [],
        ("feature",),
    ),
    "update_merge_request": Write(
        "PUT",
        "/merge_requests/1$",
        lambda g, s: g.update_merge_request(s.hub.id, 1, title="New"),
        lambda s: s.titles() == ["New"],
        lambda s: s.titles() == ["Ready"],
        ("ready",),
    ),
    "write_note": Write(
        "POST",
        "/notes$",
        lambda g, s: g.write_note(s.hub.id, s.iid, f"New {MARK}", MARK, s.own_id),
        lambda s: s.bodies() == ["Old", f"New {MARK}"],
        lambda s: s.bodies() == ["Old"],
    ),
    "edit_note": Write(
        "PUT",
        r"/notes/\d+$",
        lambda g, s: g.edit_note(s.hub.id, s.iid, s.note_id, "New"),
        lambda s: s.bodies() == ["New"],
        lambda s: s.bodies() == ["Old"],
    ),
    "delete_note": Write(
        "DELETE",
        r"/notes/\d+$",
        lambda g, s: g.delete_note(s.hub.id, s.iid, s.note_id),
        lambda s: s.bodies() == [],
        lambda s: s.bodies() == ["Old"],
    ),
}
SOON = format_datetime(datetime.now(UTC) + timedelta(days=400), usegmt=True)
FAULTS: dict[str, tuple[dict[str, Any], float | None]] = {
    "503 before": ({"status": 503}, None),
    "500 after": ({"status": 500, "after": True}, None),
    "drop before": ({"drop": True}, None),
    "drop after": ({"drop": True, "after": True}, None),
    "429 in 7 s": ({"status": 429, "retry_after": "7"}, 7),
    "429 after": ({"status": 429, "retry_after": "7", "after": True}, 7),
    "429 until a date": ({"status": 429, "retry_after": SOON}, 30),
    "429 absurd": ({"status": 429, "retry_after": "1e99"}, 30),
    "429 nonsense": ({"status": 429, "retry_after": "soon"}, None),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITES)
def test_one_fault_is_survived(stage: Stage, name: str, fault: str) -> None:
    """The thing is done, once, after a wait that is bounded."""
    write, (how, wait_s) = WRITES[name], FAULTS[fault]
    stage.hub.fail(write.method, write.path, **how)

    write.call(stage.hub.connect(), stage)

    assert write.done(stage)
    assert stage.hub.waits_s == pytest.approx([0.001 if wait_s is None else wait_s])


@pytest.mark.parametrize("name", WRITES)
def test_two_faults_are_survived(stage: Stage, name: str) -> None:
    """One before and one after it was done."""
    write = WRITES[name]
    stage.hub.fail(write.method, write.path, drop=True)
    stage.hub.fail(write.method, write.path, status=502, after=True)

    write.call(stage.hub.connect(), stage)

    assert write.done(stage)


@pytest.mark.parametrize("name", WRITES)
def test_a_late_answer_is_survived(stage: Stage, name: str) -> None:
    """Done, and we had hung up."""
    write = WRITES[name]
    client = stage.hub.connect(gitlab_timeout_s=0.4)
    client.me()
    stage.hub.fail(write.method, write.path, latency_s=0.6, after=True)
    stage.hub.meanwhile = lambda: wait_until(lambda: write.done(stage))

    write.call(client, stage)

    assert write.done(stage)


@pytest.mark.parametrize("how", [{"drop": True}, {"status": 503}])
@pytest.mark.parametrize("name", WRITES)
def test_a_fault_that_stays_is_a_passing_error(
    stage: Stage, name: str, how: dict[str, Any]
) -> None:
    """After the retries; nothing was done."""
    write = WRITES[name]
    stage.hub.fail(write.method, write.path, times=99, **how)

    with pytest.raises(TransientError):
        write.call(stage.hub.connect(), stage)

    assert write.undone(stage)
    assert len(stage.hub.waits_s) == 3


@pytest.mark.parametrize("name", WRITES)
def test_answers_that_all_get_lost_leave_one_thing(stage: Stage, name: str) -> None:
    """Done at the first attempt; whatever the call ends with, and a second call finds it."""
    write = WRITES[name]
    stage.hub.fail(write.method, write.path, drop=True, after=True, times=4)
    client = stage.hub.connect()
    with suppress(TransientError):  # a PUT whose every answer is lost
        write.call(client, stage)

    assert write.done(stage)
    stage.hub.lab.fault_rules.clear()
    write.call(client, stage)
    assert write.done(stage)


@pytest.mark.parametrize("name", WRITES)
def test_without_retries_a_lost_answer_is_still_looked_for(stage: Stage, name: str) -> None:
    """With WORKFLOWS_RETRIES=0 a POST is found, the rest is an error; never done twice."""
    write = WRITES[name]
    stage.hub.fail(write.method, write.path, drop=True, after=True)
    client = stage.hub.connect(retries=0)

    if write.method == "POST":
        write.call(client, stage)
    else:
        with pytest.raises(TransientError):
            write.call(client, stage)

    assert write.done(stage)
