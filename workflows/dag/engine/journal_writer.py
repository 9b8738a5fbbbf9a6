"""Writes the events of a run to its journal, many in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.dag.engine.background import BackgroundTasks
    from workflows.dag.journal.events import Event
    from workflows.dag.journal.journal import Journal

_FLUSH_S = 0.005  # events that can wait are committed together, this long after the first


class JournalWriter:
    """The journal of one run. `note` keeps an event, in order; a flush stores what was kept.

    `synchronous`: when `flush` returns, everything is stored. Otherwise `stored` waits for that.
    """

    def __init__(self, journal: Journal, tasks: BackgroundTasks) -> None:
        self.synchronous = journal.synchronous
        self.note = journal.note
        self.stored = journal.stored
        self._flush = journal.flush
        self._tasks = tasks
        self._flush_is_planned = False

    def note_soon(self, event: Event) -> None:
        """Keep an event; it is stored within 5 ms."""
        self.note(event)
        if not self._flush_is_planned:
            self.flush_soon()

    def flush(self) -> None:
        """Store what was kept, now."""
        self._flush()

    def flush_soon(self) -> None:
        """Store what was kept within 5 ms."""
        if not self._flush_is_planned:
            self._flush_is_planned = True
            self._tasks.call_later(_FLUSH_S, self._flush_planned)

    def _flush_planned(self) -> None:
        self._flush_is_planned = False
        self._flush()

    async def close(self) -> None:
        """Store everything.

        Raises:
            RunConflict: another process has taken the run over.
        """
        self._flush()
        await self.stored()
