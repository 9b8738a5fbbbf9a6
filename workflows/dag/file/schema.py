"""The JSON Schema of DAG files, for editors. The loader has more to say: ids, cycles, templates."""

from __future__ import annotations

import json
from typing import Any

from workflows.dag.file import fields


def dag_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, with both spellings of every key; made from `fields`."""
    step = _mapping(fields.STEP, "One node: a task or a flow.")
    step["oneOf"] = [{"required": ["task"]}, {"required": ["workflow"]}]
    step["dependentRequired"] = {"parameters": ["workflow"], "env": ["task"]}
    task = _mapping(fields.TASK, "A container to run on the Task Runner.")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Workflows DAG",
        **_mapping(fields.DAG, "A workflow of steps: container tasks and flows."),
        "$defs": {"step": step, "task": task},
    }


def dag_schema_text() -> str:
    """The schema as it is published: indented, with a line end."""
    return json.dumps(dag_schema(), indent=2) + "\n"


def _mapping(table: tuple[fields.Field, ...], description: str) -> dict[str, Any]:
    """An object with exactly these keys; a required one may be there in either spelling."""
    properties: dict[str, Any] = {}
    for one in table:
        properties[one.name] = _optional(one)
        if one.snake != one.name:
            properties[one.snake] = {**_optional(one), "deprecated": True}
    made: dict[str, Any] = {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    required = [one.name for one in table if one.required and one.snake == one.name]
    if required:
        made["required"] = required
    rules = _spelling_rules([one for one in table if one.snake != one.name])
    if rules:
        made["allOf"] = rules
    return made


def _spelling_rules(two_spellings: list[fields.Field]) -> list[dict[str, Any]]:
    """A required key must be there in one of its spellings, and no key in both."""
    either = [
        {"anyOf": [{"required": [one.name]}, {"required": [one.snake]}]}
        for one in two_spellings
        if one.required
    ]
    return either + [{"not": {"required": [one.name, one.snake]}} for one in two_spellings]


def _optional(one: fields.Field) -> dict[str, Any]:
    """The key's schema; what is not required may be left empty, too."""
    if one.required:
        return {"description": one.text, **one.schema}
    return {"description": one.text, "anyOf": [one.schema, {"type": "null"}]}
