"""Our own notes on issues and merge requests, found by a marker in their text.

The marker is a text that only this note has, such as `<!-- workflows:run -->`. A note counts as
ours if the token's user wrote it, so nobody else can replace it.
API: https://docs.gitlab.com/api/notes/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.core.errors import ResourceNotFound
from workflows.tasks.gitlab.answers import Json, moment, read_answer
from workflows.tasks.gitlab.client import GitLabClient
from workflows.tasks.gitlab.issues import Place, notes_path
from workflows.tasks.gitlab.people import author

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Note:
    """A note."""

    id: int
    body: str
    author_id: int
    created_at: datetime
    updated_at: datetime


class Notes(GitLabClient):
    """Writing notes, once each."""

    def find_note(
        self, project_id: int, iid: int, marker: str, own_id: int, *, of: Place = "issues"
    ) -> Note | None:
        """Our oldest note that holds the marker."""
        return next(iter(self.find_notes(project_id, iid, marker, own_id, of=of)), None)

    def find_notes(
        self, project_id: int, iid: int, marker: str, own_id: int, *, of: Place = "issues"
    ) -> list[Note]:
        """All our notes that hold the marker, oldest first. Every page is read.

        Raises:
            ResourceNotFound: there is no such issue or merge request.
        """
        rows = self._list(notes_path(project_id, iid, of), sort="asc", order_by="created_at")
        notes = (read_answer(_note, row) for row in rows if not row.get("system"))
        ours = [note for note in notes if note.author_id == own_id and marker in note.body]
        return sorted(ours, key=lambda note: note.id)

    def note(self, project_id: int, iid: int, note_id: int, *, of: Place = "issues") -> Note | None:
        """One note by its id; None where it was deleted."""
        try:
            found = self._get(f"{notes_path(project_id, iid, of)}/{int(note_id)}")
        except ResourceNotFound:
            return None
        return read_answer(_note, found)

    def write_note(  # noqa: PLR0913 - where, what and who
        self,
        project_id: int,
        iid: int,
        body: str,
        marker: str,
        own_id: int,
        *,
        of: Place = "issues",
    ) -> Note:
        """Write a note unless ours is there, and return the one that is there in the end.

        Repeatable: a note with the marker is left as it is. If two writers race, both return the
        older note and the newer is deleted. If GitLab carries out a POST after we
        looked for its note, there is a second note until the next call. `body` must hold
        `marker`; keep text of others from beginning a line with `/`, which GitLab would carry out.

        Raises:
            ValueError: the body lacks the marker.
            RequestRefused: the body is nothing but quick actions, or too long.
            AccessDenied: the role does not allow it.
        """
        if marker not in body:
            raise ValueError("the body lacks its marker")
        found = self._only(
            project_id, iid, self.find_notes(project_id, iid, marker, own_id, of=of), of
        )
        if found is not None:
            return found
        path = notes_path(project_id, iid, of)
        made, _ = self._make(
            post=lambda: read_answer(_note, self._post(path, body=body)),
            look=lambda: self.find_note(project_id, iid, marker, own_id, of=of),
        )
        notes = self.find_notes(project_id, iid, marker, own_id, of=of)
        return self._only(project_id, iid, notes, of) or made

    def _only(self, project_id: int, iid: int, notes: list[Note], of: Place) -> Note | None:
        """The oldest of our notes; the others, of a race or of a lost answer, are deleted.

        Every caller does that: the writer of the newer note may not have seen the older one.
        """
        for note in notes[1:]:
            self.delete_note(project_id, iid, note.id, of=of)
        return notes[0] if notes else None

    def edit_note(
        self, project_id: int, iid: int, note_id: int, body: str, *, of: Place = "issues"
    ) -> Note:
        """Replace the text of our note. Repeatable.

        Raises:
            ResourceNotFound: somebody deleted it.
            AccessDenied: it is not ours.
        """
        path = f"{notes_path(project_id, iid, of)}/{int(note_id)}"
        return read_answer(_note, self._put(path, body=body))

    def delete_note(self, project_id: int, iid: int, note_id: int, *, of: Place = "issues") -> None:
        """Delete a note; one that is gone is no error."""
        try:
            self._delete(f"{notes_path(project_id, iid, of)}/{int(note_id)}")
        except ResourceNotFound:
            return


def _note(found: Json) -> Note:
    return Note(
        id=int(found["id"]),
        body=str(found["body"]),
        author_id=author(found.get("author")).id,
        created_at=moment(found["created_at"]),
        updated_at=moment(found["updated_at"]),
    )
