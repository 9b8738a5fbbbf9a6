"""Shows the progress of a long step in Prefect: a bar, and at the end a table and a report.

Artifact calls are synchronous HTTP requests, so a thread of its own makes them, at most once a
second.
"""

from __future__ import annotations

import contextvars
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.core.flow import Progress

_EVERY_S = 1.0


@contextmanager
def show_progress(title: str, total: int) -> Iterator[Progress]:
    """Inside a flow run: show how many of `total` are done. Errors of Prefect are ignored."""
    board = _Board(redact(title), max(total, 1))
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(board.write_on,), daemon=True)
    thread.start()
    try:
        yield board.note
    finally:
        board.over.set()
        thread.join(5)


class _Board:
    """The latest progress, and the loop that writes it to Prefect."""

    def __init__(self, title: str, total: int) -> None:
        self.over = threading.Event()
        self._title = title
        self._total = total
        self._done = 0
        self._rows: list[dict[str, str]] | None = None
        self._report = ""
        self._artifact: Any = None

    def note(
        self, done: int, rows: list[dict[str, str]] | None = None, report: str = "", /
    ) -> None:
        self._done = done
        if rows is not None:
            self._rows = rows
        self._report = report or self._report

    def write_on(self) -> None:
        """Write what has changed, once a second; at the end table and report too."""
        shown = -1
        while True:
            ended = self.over.wait(_EVERY_S)
            if self._done != shown:
                shown = self._done
                with suppress(Exception):
                    self._bar(round(100 * shown / self._total, 1))
            if ended:
                with suppress(Exception):
                    self._table()
                with suppress(Exception):
                    self._page()
                return

    def _bar(self, percent: float) -> None:
        from prefect.artifacts import (
            create_progress_artifact,
            update_progress_artifact,
        )

        text = f"{self._done:,} of {self._total:,} steps"
        if self._artifact is None:
            made: Any = create_progress_artifact
            self._artifact = made(percent, key="dag-progress", description=self._title)
        else:
            update: Any = update_progress_artifact
            update(self._artifact, percent, description=f"{self._title}: {text}")

    def _table(self) -> None:
        from prefect.artifacts import create_table_artifact

        if self._rows is not None:
            rows = [{key: redact(text) for key, text in row.items()} for row in self._rows]
            made: Any = create_table_artifact
            made(rows, key="dag-steps", description=self._title)

    def _page(self) -> None:
        from prefect.artifacts import create_markdown_artifact

        if self._report:
            made: Any = create_markdown_artifact
            made(redact(self._report), key="dag-report", description=self._title)
