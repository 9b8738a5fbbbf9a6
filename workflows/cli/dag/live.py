"""A DAG run on a terminal, four times a second: counts, running steps, the critical path left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from workflows.core.redaction import redact
from workflows.dag.show.remaining import critical_path_left_s
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workflows.dag.engine.run_state import RunState

_SHOWN = 12
_MARKS = {
    StepState.SUCCEEDED: ("✓", "green"),
    StepState.FAILED: ("✗", "red"),
    StepState.CANCELLED: ("✗", "yellow"),
    StepState.SKIPPED: ("·", "dim"),
    StepState.NOT_NEEDED: ("·", "dim"),
    StepState.RUNNING: ("▸", "cyan"),
}


class LiveView:
    """Reads the engine when it draws; an event only adds or removes a step number."""

    def __init__(self) -> None:
        self._engine: RunState | None = None
        self._run_id = ""
        self._running: dict[int, float] = {}
        self._failed: list[int] = []
        self._began = time.monotonic()
        self._live = Live(
            console=Console(stderr=True), get_renderable=self._render, refresh_per_second=4
        )

    def begin(self, engine: RunState, run_id: str) -> None:
        """Start drawing."""
        self._engine, self._run_id = engine, run_id
        self._live.start()

    def started(self, step: int) -> None:
        """A step runs."""
        self._running[step] = time.monotonic()

    def ended(self, step: int) -> None:
        """A step has ended."""
        self._running.pop(step, None)
        if self._engine and self._engine.scheduler.states[step] in {
            StepState.FAILED,
            StepState.CANCELLED,
        }:
            self._failed.append(step)

    def retried(self, step: int, message: str, wait_s: float) -> None:
        """A step waits for its next attempt."""
        self._running.pop(step, None)

    def finish(self) -> None:
        """Draw the last state, and stop."""
        if self._engine is not None:
            self._live.stop()

    def _render(self) -> RenderableType:
        engine = self._engine
        if engine is None:
            return Text("")
        counts = engine.scheduler.counts
        total = engine.scheduler.graph.size
        done = engine.done
        took_s = time.monotonic() - self._began
        head = f"{engine.dag.name}  {done:,} of {total:,} steps  {took_s:.0f} s  run {self._run_id}"
        tree = Tree(Text(redact(head), style="bold"))
        words = [
            f"{counts[s]:,} {s.name.lower().replace('_', ' ')}" for s in StepState if counts[s]
        ]
        tree.add(Text(", ".join(words)))
        tree.add(Text(self._eta(engine, took_s, done)))
        running = sorted(self._running.items(), key=lambda pair: pair[1])
        for step, since in running[:_SHOWN]:
            self._line(tree, engine, step, StepState.RUNNING, f"{time.monotonic() - since:.1f} s")
        if len(running) > _SHOWN:
            tree.add(Text(f"… and {len(running) - _SHOWN:,} more", style="dim"))
        for step in self._failed[-_SHOWN:]:
            message = engine.messages.get(step, "").split("\n", 1)[0]
            self._line(tree, engine, step, engine.scheduler.states[step], message)
        return Group(tree)

    @staticmethod
    def _line(tree: Tree, engine: RunState, step: int, state: StepState, note: str) -> None:
        mark, style = _MARKS[state]
        tree.add(Text(redact(f"{mark} {engine.dag.steps[step].id}  {note}"), style=style))

    @staticmethod
    def _eta(engine: RunState, took_s: float, done: int) -> str:
        """The longest way left at the pace so far: no run ends sooner."""
        left_s = critical_path_left_s(engine)
        total = engine.scheduler.graph.size
        rate_s = took_s / done * (total - done) if done else 0.0
        return f"critical path left about {left_s:.0f} s, at this pace {max(left_s, rate_s):.0f} s"
