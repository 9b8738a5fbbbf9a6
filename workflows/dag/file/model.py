"""What a DAG is: steps, what each runs, and what each depends on. Plain values, no I/O.

In a `Dag` made by the loader ids are unique, dependencies exist and form no cycle, and every step
has either a task or a flow. What it means to run one:

- A step may start as soon as its own dependencies have ended.
- A step below a failed one is skipped; branches that do not depend on the failure go on.
  With `OnFailure.STOP` nothing more is started, except steps whose `when` asks for it.
- `When` says which endings of the dependencies let a step run; a skipped dependency has ended.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class When(StrEnum):
    """Which endings of its dependencies let a step run, once all of them have ended."""

    ON_SUCCESS = "on_success"
    """All succeeded; else the step is skipped."""
    ALWAYS = "always"
    """They ended, in whatever way: succeeded, failed, cancelled or skipped."""
    ON_FAILURE = "on_failure"
    """At least one failed, was cancelled, or was skipped for a failure above; else not needed."""


class OnFailure(StrEnum):
    """What a failed step means for the branches that do not depend on it."""

    CONTINUE = "continue"
    """They go on."""
    STOP = "stop"
    """Running steps may end; nothing more is started but `always` and `on_failure` steps."""


class Task(NamedTuple):
    """A container to run on the Task Runner; `name` is the job's (`job_name`), the step's id."""

    name: str
    image_uri: str
    args: tuple[str, ...] = ()
    """Texts; `templates.fill_in_job_ids` replaces those that are a `templates.Template`."""


@dataclass(frozen=True, slots=True)
class FlowCall:
    """A flow to run instead of a container: its name and parameters (JSON values)."""

    workflow: str
    parameters: Mapping[str, Any]


class Step(NamedTuple):
    """One node of a DAG: exactly one of `task` and `flow` is there."""

    id: str
    depends_on: tuple[str, ...] = ()
    task: Task | None = None
    flow: FlowCall | None = None
    description: str = ""
    timeout_s: float | None = None
    """Longest time one attempt may take, in seconds; `None` leaves it to the runner."""
    retries: int = 0
    """How often the job is run again after it failed."""
    env: Mapping[str, str] | None = None
    when: When = When.ON_SUCCESS


@dataclass(frozen=True, slots=True)
class Dag:
    """A workflow of steps, in the order of the file."""

    name: str
    steps: tuple[Step, ...]
    max_parallel: int | None = None
    """Most steps that run at one time; `None` leaves it to the runner's settings."""
    on_failure: OnFailure = OnFailure.CONTINUE
    edges: Sequence[Sequence[int]] = field(default=(), repr=False, compare=False)
    """What `dependencies` gives for these `steps`, if the loader computed it."""

    def dependencies(self) -> Sequence[Sequence[int]]:
        """For each step the places in `steps` of those that it depends on."""
        if self.edges:
            return self.edges
        place = {step.id: number for number, step in enumerate(self.steps)}
        return [tuple([place[name] for name in step.depends_on]) for step in self.steps]


def fingerprint(dag: Dag) -> str:
    """64 hexadecimal digits that are the same for the same DAG in any process.

    A journal compares it to notice that the file was changed between a run and its resumption.
    Descriptions do not count, nor how the file is written (YAML or JSON, comments, order of keys);
    the order of the steps and the values of parameters do.
    """
    facts: list[Any] = [[2, dag.name, dag.max_parallel, dag.on_failure.value]]
    for name, needs, task, flow, _, timeout_s, retries, env, when in dag.steps:
        runs = None if task is None else tuple(task)
        calls = None if flow is None else (flow.workflow, flow.parameters)
        facts.append((name, needs, runs, calls, timeout_s, retries, env, when))
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
