"""What tests of DAG runs share: files of steps, a run in this process, its display."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workflows.core.config.declare import Secret
from workflows.core.config.settings import load
from workflows.dag.file.model import Dag, OnFailure, Step, Task, When
from workflows.dag.options import DagRunOptions
from workflows.dag.run import DagRun, RunSummary
from workflows.dag.show.progress import SilentProgress

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.dag.engine.run_state import RunState


def step(name: str, *needs: str, when: When = When.ON_SUCCESS, **more: Any) -> Step:
    """A container step whose job is called like it."""
    return Step(name, tuple(needs), Task(name, "img", ("run", name)), when=when, **more)


def dag(*steps: Step, on_failure: OnFailure = OnFailure.CONTINUE) -> Dag:
    """A workflow of these steps."""
    return Dag("test", tuple(steps), on_failure=on_failure)


def layered(count: int, width: int = 20) -> Dag:
    """Layers in which each step needs two of the layer above."""
    steps = []
    for number in range(count):
        layer, place = divmod(number, width)
        above = (layer - 1) * width
        needs = {above + place, above + (place + 1) % width} if layer else set()
        steps.append(step(f"s{number}", *(f"s{one}" for one in sorted(needs))))
    return dag(*steps)


def write(folder: Path, what: Dag) -> Path:
    """The workflow as a file."""
    steps = [
        {
            "id": one.id,
            "dependsOn": list(one.depends_on),
            "task": {"imageUri": "img", "args": ["run", one.id]},
        }
        for one in what.steps
    ]
    file = folder / f"{folder.name}.json"
    file.write_text(json.dumps({"name": what.name, "steps": steps}))
    return file


@dataclass
class RecordingDisplay(SilentProgress):
    """Records the order in which steps began and ended."""

    order: list[tuple[str, str]] = field(default_factory=list)
    state: RunState | None = None

    def begin(self, state: RunState, run_id: str) -> None:
        self.state = state

    def started(self, step: int) -> None:
        assert self.state
        self.order.append(("started", self.state.dag.steps[step].id))

    def ended(self, step: int) -> None:
        assert self.state
        self.order.append(("ended", self.state.dag.steps[step].id))


def run(
    what: Dag,
    url: str,
    display: RecordingDisplay | None = None,
    *,
    token: str = "none",  # noqa: S107 - it stands for no token
    retry_delay_s: float = 0.02,
    **options: Any,
) -> RunSummary:
    """Run it here, without a journal unless one is named."""
    given: dict[str, Any] = {"journal": "none", "tr_auth_jwt": Secret(token), **options}
    chosen = DagRunOptions(dag_path="", tr_hostname=url, **given)
    settings = load(retry_delay_s=retry_delay_s)
    return DagRun(what, chosen, settings, display or RecordingDisplay()).carry_out()


def in_order(what: Dag, order: list[tuple[str, str]]) -> bool:
    """Whether every step began after all it needs had ended, and once."""
    place = {event: number for number, event in enumerate(order)}
    return len(place) == len(order) and all(
        place["ended", need] < place["started", one.id]
        for one in what.steps
        for need in one.depends_on
        if ("started", one.id) in place
    )
