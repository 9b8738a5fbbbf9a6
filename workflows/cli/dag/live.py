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
    """Reads the state of the run when it draws; an event only adds or removes a step number."""

    def __init__(self) -> None:
        self._run_state: RunState | None = None
        self._run_id = ""
        self._running: dict[int, float] = {}
        self._failed: list[int] = []
        self._began = time.monotonic()
        self._live = Live(
            console=Console(stderr=True), get_renderable=self._render, refresh_per_second=4
        )

    def begin(self, run_state: RunState, run_id: str) -> None:
        """Start drawing."""
        self._run_state, self._run_id = run_state, run_id
        self._live.start()

    def started(self, step: int) -> None:
        """A step runs."""
        self._running[step] = time.monotonic()

    def ended(self, step: int) -> None:
        """A step has ended."""
        self._running.pop(step, None)
        if self._run_state and self._run_state.scheduler.states[step] in {
            StepState.FAILED,
            StepState.CANCELLED,
        }:
            self._failed.append(step)

    def retried(self, step: int, message: str, wait_s: float) -> None:
        """A step waits for its next attempt."""
        self._running.pop(step, None)

    def finish(self) -> None:
        """Draw the last state, and stop."""
        if self._run_state is not None:
            self._live.stop()

    def _render(self) -> RenderableType:
        run_state = self._run_state
        if run_state is None:
            return Text("")
        counts = run_state.scheduler.counts
        total = run_state.scheduler.graph.size
        done = run_state.done
        took_s = time.monotonic() - self._began
        head = (
            f"{run_state.dag.name}  {done:,} of {total:,} steps  {took_s:.0f} s  run {self._run_id}"
        )
        tree = Tree(Text(redact(head), style="bold"))
        words = [
            f"{counts[s]:,} {s.name.lower().replace('_', ' ')}" for s in StepState if counts[s]
        ]
        tree.add(Text(", ".join(words)))
        tree.add(Text(self._eta(run_state, took_s, done)))
        running = sorted(self._running.items(), key=lambda pair: pair[1])
        for step, since in running[:_SHOWN]:
            self._line(
                tree, run_state, step, StepState.RUNNING, f"{time.monotonic() - since:.1f} s"
            )
        if len(running) > _SHOWN:
            tree.add(Text(f"… and {len(running) - _SHOWN:,} more", style="dim"))
        for step in self._failed[-_SHOWN:]:
            message = run_state.messages.get(step, "").split("\n", 1)[0]
            self._line(tree, run_state, step, run_state.scheduler.states[step], message)
        return Group(tree)

    @staticmethod
    def _line(tree: Tree, run_state: RunState, step: int, state: StepState, note: str) -> None:
        mark, style = _MARKS[state]
        tree.add(Text(redact(f"{mark} {run_state.dag.steps[step].id}  {note}"), style=style))

    @staticmethod
    def _eta(run_state: RunState, took_s: float, done: int) -> str:
        """The longest way left at the pace so far: no run ends sooner."""
        left_s = critical_path_left_s(run_state)
        total = run_state.scheduler.graph.size
        rate_s = took_s / done * (total - done) if done else 0.0
        return f"critical path left about {left_s:.0f} s, at this pace {max(left_s, rate_s):.0f} s"
