"""The live step list on a terminal: a spinner on the running step, a time on the finished ones."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType


@dataclass
class _Step:
    name: str
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    note: str = ""
    problem: str = ""
    attempts: int = 1


class LiveReporter:
    """A `Reporter` that redraws a table of steps on stderr. Use as a context manager."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._spinner = Spinner("dots")
        self._live = Live(
            console=Console(stderr=True), get_renderable=self._render, refresh_per_second=8
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def step_started(self, name: str) -> None:
        """Add a line, or use the last one again when the step is retried."""
        last = self._steps[-1] if self._steps else None
        if last is not None and last.name == name and last.problem:
            last.seconds, last.problem, last.attempts = None, "", last.attempts + 1
        else:
            self._steps.append(_Step(name))

    def step_note(self, name: str, text: str) -> None:
        """Show how far the step is, beside its name."""
        if self._steps and self._steps[-1].name == name:
            self._steps[-1].note = text

    def step_ended(self, name: str, seconds: float, problem: str) -> None:
        """Show how long the step took, and its problem if it had one."""
        step = self._steps[-1]
        step.seconds, step.note = seconds, ""
        step.problem = problem.splitlines()[0] if problem else ""

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for step in self._steps:
            mark: RenderableType = self._spinner
            if step.seconds is not None:
                mark = Text("✗", style="red") if step.problem else Text("✓", style="green")
            elapsed = step.seconds if step.seconds is not None else time.monotonic() - step.started
            note = step.problem or step.note
            if step.attempts > 1:
                note = f"attempt {step.attempts} {note}"
            table.add_row(mark, step.name, Text(f"{elapsed:5.1f} s", style="cyan"), Text(note))
        return table
