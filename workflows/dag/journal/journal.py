"""What every journal of a DAG run can do, wherever it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workflows.dag.journal.events import Event, RunHeader


class Journal(Protocol):
    """Where events go. `note` keeps one, `flush` stores those that were kept, in their order.

    With `synchronous`, `flush` returns when they are stored; else they are stored some time later,
    and `stored()` waits for that.
    """

    synchronous: bool

    def begin(self, header: RunHeader) -> None:
        """Write which run this is; a resumed run has not ended any more."""
        ...

    def note(self, event: Event) -> None:
        """Keep one event for the next flush."""
        ...

    def flush(self) -> None:
        """Store the events that were kept: all of them or none."""
        ...

    async def stored(self) -> None:
        """Return when everything flushed before is stored.

        Raises:
            RunConflict: another process has taken the run over.
        """
        ...

    def close(self, ended: str) -> None:
        """The run has ended like this; empty: it stops here and may be resumed."""
        ...


class NoJournal:
    """A journal that keeps nothing: `--journal none`."""

    synchronous = True

    def begin(self, header: RunHeader) -> None:
        """Nothing is kept."""

    def note(self, event: Event) -> None:
        """Nothing is kept."""

    def flush(self) -> None:
        """Nothing to store."""

    async def stored(self) -> None:
        """There is nothing to wait for."""

    def close(self, ended: str) -> None:
        """Nothing to close."""
