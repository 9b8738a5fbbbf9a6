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
    both = []
    for one in table:
        properties[one.name] = _optional(one)
        if one.snake != one.name:
            properties[one.snake] = {**_optional(one), "deprecated": True}
            both.append([one.name, one.snake])
    required = [one.name for one in table if one.required and one.snake == one.name]
    either = [
        {"anyOf": [{"required": [one.name]}, {"required": [one.snake]}]}
        for one in table
        if one.required and one.snake != one.name
    ]
    never_both = [{"not": {"required": pair}} for pair in both]
    made: dict[str, Any] = {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    if required:
        made["required"] = required
    if either or never_both:
        made["allOf"] = [*either, *never_both]
    return made


def _optional(one: fields.Field) -> dict[str, Any]:
    """The key's schema; what is not required may be left empty, too."""
    if one.required:
        return {"description": one.text, **one.schema}
    return {"description": one.text, "anyOf": [one.schema, {"type": "null"}]}
