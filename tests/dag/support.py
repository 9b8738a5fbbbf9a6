"""What tests of DAG files share: loading a text, and DAGs made up at random, as files."""

from __future__ import annotations

import json
import random  # noqa: TID251 - reproducible shapes, by seed
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from workflows.core.errors import DagInvalid
from workflows.dag.file.loader import parse_dag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.dag.file.findings import Finding
    from workflows.dag.file.model import Dag

IMAGE = "registry.example.com/demo/echo:1"
TASK = f"task: {{imageUri: {IMAGE}}}"


def load_text(
    text: str | bytes, params: Mapping[str, str] | None = None, file: str = "dag.yaml"
) -> Dag:
    data = text.encode() if isinstance(text, str) else text
    return parse_dag(file, data, params or {}, flows=("push_feature", "hello_world"))


def findings(
    text: str | bytes, params: Mapping[str, str] | None = None, file: str = "dag.yaml"
) -> list[Finding]:
    """What is wrong with the text; nothing if it is sound."""
    try:
        load_text(text, params, file)
    except DagInvalid as error:
        return list(error.findings)
    return []


def steps(*lines: str) -> str:
    """A file of these lines, of which `- id: x` begins a step with a task."""
    text = "name: test\nsteps:\n"
    for line in lines:
        text += f"  {line}\n"
    return text


def as_yaml(raw: Mapping[str, Any], *, indent: bool = True, quote: bool = True) -> str:
    """A DAG as a person would write it: block style, ids and lists of them plain."""
    dash = "  - " if indent else "- "
    text = "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in raw.items()
        if key != "steps"
    )
    text += "steps:\n"
    for step in raw["steps"]:
        for number, (key, value) in enumerate(step.items()):
            start = dash if number == 0 else " " * len(dash)
            shown = json.dumps(value, ensure_ascii=False)
            if key == "id" and not quote:
                shown = value
            text += f"{start}{key}: {shown}\n"
    return text


def layered(count: int, width: int = 10) -> str:
    """A large file as a generator would write it: each step depends on two of the layer above."""
    lines = ["name: large", "steps:"]
    for number in range(count):
        lines.append(f"- id: step-{number}")
        if number >= width:
            lines.append(f"  dependsOn: [step-{number - width}, step-{number - width + 1}]")
        lines += ["  task:", f"    imageUri: {IMAGE}", f"    args: [layer, n{number // width}]"]
    return "\n".join(lines) + "\n"


def shuffled(values: list[Any], seed: int) -> list[Any]:
    copy = list(values)
    random.Random(seed).shuffle(copy)  # noqa: S311 - a shape, no secret
    return copy


_WORDS = st.text(
    st.sampled_from("ab:-#&*!|>'\"%@`,?[]}~ \\é€😀0.") | st.characters(exclude_categories=["C"]),
    max_size=8,
).filter(lambda text: "{{" not in text)
_NAMES = st.sampled_from(["A", "b", "c_1", "LONG_NAME", "no", "null", "y", "on"])
_SCALARS = _WORDS | st.integers(-(10**12), 10**12) | st.booleans()
_VALUES = st.recursive(
    _SCALARS | st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)


def _starts(count: int) -> st.SearchStrategy[list[str]]:
    one = st.sampled_from(["a", "B-", "x.y.", "no_", "1x"])
    return st.lists(one, min_size=count, max_size=count)


@st.composite
def dags(draw: st.DrawFn, max_steps: int = 8) -> dict[str, Any]:
    """A sound DAG as plain values, its steps in any order."""
    count = draw(st.integers(1, max_steps))
    ids = [f"{start}{number}" for number, start in enumerate(draw(_starts(count)))]
    made = []
    for number, name in enumerate(ids):
        step: dict[str, Any] = {"id": name}
        above = draw(st.lists(st.sampled_from(ids[:number]), unique=True)) if number else []
        optional: dict[str, st.SearchStrategy[Any]] = {
            "description": _WORDS,
            "dependsOn": st.just(above),
            "timeout": st.integers(1, 1000) | st.sampled_from(["90s", "1.5m", "2h"]),
            "retries": st.integers(0, 5),
            "when": st.sampled_from(["on_success", "always"]),
        }
        step |= draw(st.fixed_dictionaries({}, optional=optional))
        if draw(st.booleans()):
            step["task"] = {
                "imageUri": IMAGE,
                "args": draw(st.lists(_SCALARS, max_size=3)),
            }
            step["env"] = draw(st.dictionaries(_NAMES, _SCALARS, max_size=2))
        else:
            step["workflow"] = draw(st.sampled_from(["push_feature", "hello_world"]))
            step["parameters"] = draw(st.dictionaries(_NAMES, _VALUES, max_size=3))
        made.append(step)
    raw: dict[str, Any] = {"name": "made-up", "steps": draw(st.permutations(made))}
    more: dict[str, st.SearchStrategy[Any]] = {
        "maxParallel": st.integers(1, 100),
        "onFailure": st.sampled_from(["stop", "continue"]),
    }
    return raw | draw(st.fixed_dictionaries({}, optional=more))
