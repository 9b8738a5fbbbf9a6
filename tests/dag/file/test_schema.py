"""The published JSON Schema: valid, true to the examples, no stricter than the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from tests.dag.support import IMAGE, dags, findings, load_text
from workflows.dag.file import schema
from workflows.dag.file.loader import load_dag

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "dags").glob("*.yaml"))
VALIDATOR = Draft202012Validator(schema.dag_schema())


def test_it_is_a_schema_and_the_published_copy_is_the_same() -> None:
    Draft202012Validator.check_schema(schema.dag_schema())

    assert (ROOT / "docs" / "dag.schema.json").read_text(
        encoding="utf-8"
    ) == schema.dag_schema_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_examples_are_valid_and_load(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))) == []

    assert load_dag(str(path), {"project": "shop"}).steps


@settings(max_examples=30, deadline=None)
@given(dags())
def test_what_loads_is_valid(raw: dict[str, Any]) -> None:
    load_text(json.dumps(raw), file="x.json")

    assert list(VALIDATOR.iter_errors(raw)) == []


STEP: dict[str, Any] = {"id": "a", "task": {"imageUri": IMAGE}}


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a"},
        STEP | {"workflow": "push_feature"},
        STEP | {"id": "a b"},
        STEP | {"id": 1},
        STEP | {"dependson": []},
        STEP | {"dependsOn": "a"},
        STEP | {"dependsOn": [], "depends_on": []},
        STEP | {"timeout": "3w"},
        STEP | {"timeout": 0},
        STEP | {"retries": -1},
        STEP | {"when": "never"},
        STEP | {"env": {"1A": "x"}},
        STEP | {"parameters": {}},
        STEP | {"task": {"args": []}},
        STEP | {"task": {"imageUri": "a b"}},
        STEP | {"task": {"imageUri": IMAGE, "image_uri": IMAGE}},
        STEP | {"task": {"imageUri": IMAGE, "args": [None]}},
    ],
)
def test_what_it_refuses_the_loader_refuses(step: dict[str, Any]) -> None:
    raw = {"steps": [step]}

    assert not VALIDATOR.is_valid(raw)
    assert findings(json.dumps(raw), file="x.json")


def test_both_spellings_are_valid() -> None:
    step = {"id": "a", "depends_on": [], "task": {"image_uri": IMAGE}}

    assert VALIDATOR.is_valid({"max_parallel": 1, "on_failure": "stop", "steps": [step]})
