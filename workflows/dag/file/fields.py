"""The keys of a DAG file, in one table: the loader checks by it, the JSON Schema is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from workflows.dag.file.limits import MAX_STEPS
from workflows.dag.file.model import OnFailure, When
from workflows.dag.file.templates import ID

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RETRIES = 100
MAX_TIMEOUT_S = 7 * 24 * 3600
MAX_TEXT = 256
MAX_IMAGE = 2048
ID_PATTERN = re.compile(ID)
ENV_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FLOW_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
DURATION_PATTERN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(s|m|h)")
UNIT_S = {"s": 1, "m": 60, "h": 3600}
_SCALAR = {"type": ["string", "integer", "number", "boolean"]}


class Head(NamedTuple):
    """A DAG without its steps."""

    name: str | None
    max_parallel: int | None
    on_failure: OnFailure


@dataclass(frozen=True, slots=True)
class Field:
    """A key: its name as documented, what its value must be (JSON Schema), what it is for."""

    name: str
    schema: dict[str, Any]
    text: str
    required: bool = False

    @property
    def snake(self) -> str:
        """The other spelling that is accepted: `imageUri` -> `image_uri`."""
        return re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), self.name)


def _anchored(pattern: re.Pattern[str]) -> str:
    return f"^(?:{pattern.pattern})$"


DAG = (
    Field(
        "name",
        {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "Name of the workflow; not given: the file's name without its ending.",
    ),
    Field("description", {"type": "string"}, "What the workflow is for."),
    Field(
        "maxParallel",
        {"type": "integer", "minimum": 1, "maximum": MAX_STEPS},
        "Most steps that run at one time.",
    ),
    Field(
        "onFailure",
        {"enum": [str(one) for one in OnFailure]},
        "After a failed step: `continue` lets the branches that do not depend on it go on"
        " (the default), `stop` starts nothing more.",
    ),
    Field(
        "steps",
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_STEPS,
            "items": {"$ref": "#/$defs/step"},
        },
        "The steps, in any order.",
        required=True,
    ),
)
STEP = (
    Field(
        "id",
        {"type": "string", "pattern": _anchored(ID_PATTERN)},
        "Name of the step, once in the file: letters, digits, `.`, `_` and `-`.",
        required=True,
    ),
    Field("description", {"type": "string"}, "What the step is for."),
    Field(
        "dependsOn",
        {
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "string", "pattern": _anchored(ID_PATTERN)},
        },
        "Ids of the steps that must end before this one starts.",
    ),
    Field("task", {"$ref": "#/$defs/task"}, "The container to run on the Task Runner."),
    Field(
        "workflow",
        {"type": "string", "pattern": _anchored(FLOW_PATTERN)},
        "The flow to run instead of a task, such as `push_feature`.",
    ),
    Field("parameters", {"type": "object"}, "Parameters of the flow."),
    Field(
        "timeout",
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_S},
                {"type": "string", "pattern": _anchored(DURATION_PATTERN)},
            ]
        },
        "Longest time an attempt may take: seconds, or a text such as `90s`, `15m`, `2h`.",
    ),
    Field(
        "retries",
        {"type": "integer", "minimum": 0, "maximum": MAX_RETRIES},
        "How often the job is run again after it failed (default 0).",
    ),
    Field(
        "env",
        {
            "type": "object",
            "propertyNames": {"pattern": _anchored(ENV_PATTERN)},
            "additionalProperties": _SCALAR,
        },
        "Environment variables of the task.",
    ),
    Field(
        "when",
        {"enum": [str(one) for one in When]},
        "Run it when all dependencies succeeded (`on_success`, the default), when they ended in"
        " any way (`always`), or when at least one failed (`on_failure`).",
    ),
)
TASK = (
    Field(
        "name",
        {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "Name of the job; not given: the step's id.",
    ),
    Field(
        "imageUri",
        {"type": "string", "pattern": r"^\S+$", "maxLength": MAX_IMAGE},
        "The container image.",
        required=True,
    ),
    Field(
        "args",
        {"type": "array", "items": _SCALAR},
        "Arguments of the container; numbers and booleans are passed on as they are written.",
    ),
)


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The keys that a mapping may have."""

    by_spelling: Mapping[object, str]
    """Every accepted spelling, with the documented one."""
    documented: frozenset[str]

    @classmethod
    def of(cls, table: tuple[Field, ...]) -> KeyTable:
        """The keys of these fields."""
        names: dict[object, str] = {
            spelt: one.name for one in table for spelt in (one.snake, one.name)
        }
        return cls(names, frozenset(names.values()))


DAG_KEYS = KeyTable.of(DAG)
STEP_KEYS = KeyTable.of(STEP)
TASK_KEYS = KeyTable.of(TASK)


def documented(path: tuple[str | int, ...], key: str) -> str:
    """The documented spelling of a key of the mapping at `path`; any other key as it is."""
    if not path:
        return DAG_KEYS.by_spelling.get(key, key)
    if path[0] == "steps" and len(path) == 2:  # noqa: PLR2004 - ("steps", 3)
        return STEP_KEYS.by_spelling.get(key, key)
    if path[0] == "steps" and path[2:] == ("task",):
        return TASK_KEYS.by_spelling.get(key, key)
    return key
