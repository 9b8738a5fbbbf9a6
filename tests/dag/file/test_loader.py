"""What a DAG file means: every key, both notations, templates, and where files come from."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dag.support import IMAGE, TASK, as_yaml, dags, layered, load_text, shuffled, steps
from workflows.core.errors import DagInvalid
from workflows.core.google import storage
from workflows.dag.file import parse
from workflows.dag.file.loader import load_dag
from workflows.dag.file.model import Dag, FlowCall, OnFailure, Step, Task, When, fingerprint
from workflows.dag.file.templates import Template, expand_templates, fill_in_job_ids

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gcs import Bucket

WHOLE = """\
name: everything
description: all there is
maxParallel: 4
onFailure: stop
steps:
- id: first
  description: the first
  timeout: 1.5m
  retries: 2
  env: {MODE: fast, LEVEL: 3, ON: true}
  task:
    name: job-one
    imageUri: registry.example.com/demo/echo:1
    args: [--day, "{{ params.day }}", 1.10, 0x1F, True, yes, 017, 1e3]
- id: second
  dependsOn: [first]
  when: always
  workflow: push_feature
  parameters: {git_url: "https://x/{{ params.day }}", n: 1.5, deep: {a: [1, null, true]}}
- id: third
  dependsOn: [second, first]
  when: on_failure
  timeout: 90
  task: {imageUri: x, args: ["a {{ steps.first.jobId }} b"]}
"""


def test_every_key_arrives_in_the_model() -> None:
    made = load_text(WHOLE, {"day": "mon"})

    args = ("--day", "mon", "1.10", "0x1F", "True", "yes", "017", "1e3")
    parameters = {"git_url": "https://x/mon", "n": 1.5, "deep": {"a": [1, None, True]}}
    assert made == Dag(
        "everything",
        (
            Step(
                "first",
                task=Task("job-one", IMAGE, args),
                description="the first",
                timeout_s=90.0,
                retries=2,
                env={"MODE": "fast", "LEVEL": "3", "ON": "true"},
            ),
            Step(
                "second",
                ("first",),
                flow=FlowCall("push_feature", parameters),
                when=When.ALWAYS,
            ),
            Step(
                "third",
                ("second", "first"),
                task=Task("third", "x", ("a {{ steps.first.jobId }} b",)),
                timeout_s=90,
                when=When.ON_FAILURE,
            ),
        ),
        max_parallel=4,
        on_failure=OnFailure.STOP,
    )


def test_what_is_left_out_or_empty_has_its_default() -> None:
    text = "steps:\n- id: a\n  env:\n  dependsOn:\n  when: ~\n  task: {imageUri: x, args: }\n"

    made = load_text(text, file="some/where/nightly.yaml")

    assert made == Dag("nightly", (Step("a", task=Task("a", "x")),))
    assert made.on_failure is OnFailure.CONTINUE


def test_snake_case_is_accepted() -> None:
    made = load_text(
        "max_parallel: 2\non_failure: stop\nsteps:\n"
        "- {id: b, depends_on: [a], task: {image_uri: x}}\n- {id: a, task: {image_uri: x}}\n"
    )

    assert (made.max_parallel, made.on_failure) == (2, OnFailure.STOP)
    assert made.steps[0].depends_on == ("a",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("017", "017"),
        ("0o17", "0o17"),
        ("+1", "+1"),
        ("-0", "-0"),
        ("1_000", "1_000"),
        ("1.0", "1.0"),
        ("TRUE", "TRUE"),
        ("2020-01-01", "2020-01-01"),
        ("'1'", "1"),
        ('"\\u00e9"', "é"),
        (".inf", ".inf"),
        ("12345678901234567", "12345678901234567"),
    ],
)
def test_an_arg_is_what_is_written(written: str, meant: str) -> None:
    text = steps("- id: a", f"  task: {{imageUri: x, args: [{written}]}}")

    made = load_text(text)

    assert made.steps[0].task == Task("a", "x", (meant,))


def test_numbers_in_json_args_are_what_is_written() -> None:
    text = '{"steps": [{"id": "a", "task": {"imageUri": "x", "args": [1, 1.10, true, 1e3]}}]}'

    made = load_text(text, file="x.json")

    assert made.steps[0].task == Task("a", "x", ("1", "1.10", "true", "1e3"))


def test_a_fraction_in_json_is_neither_an_arg_of_its_own_kind_nor_an_id() -> None:
    task = '"task": {"imageUri": "x", "args": [1.10]}'

    made = load_text(f'{{"steps": [{{"id": "a", {task}}}]}}', file="x.json").steps[0].task

    assert made is not None
    assert type(made.args[0]) is str
    with pytest.raises(DagInvalid, match="a step id must be a text, not a number"):
        load_text(f'{{"steps": [{{"id": "a", "dependsOn": [1.5], {task}}}]}}', file="x.json")


def test_numbers_in_flow_style_args_are_what_is_written() -> None:
    """It begins like JSON; what it is shows only when it is read."""
    made = load_text("{steps: [{id: a, task: {imageUri: x, args: [0x1F, True, 1.10]}}]}")

    assert made.steps[0].task == Task("a", "x", ("0x1F", "True", "1.10"))


def test_the_value_of_a_parameter_is_no_template() -> None:
    params = {"x": "{{ steps.a.jobId }} {{ params.y }}"}
    text = steps("- id: a", "  task: {imageUri: x, args: ['{{params.x}}']}")

    task = load_text(text, params).steps[0].task

    assert task is not None
    assert fill_in_job_ids(task.args, {"a": "1"}) == (params["x"],)


def test_job_ids_are_filled_in_at_run_time() -> None:
    made = expand_templates(
        "{{ params.p }}-{{steps.a.b.jobId}}/{{ '{{' }} }}", {"p": "{{"}, job_ids=True
    )

    assert isinstance(made.text, Template)
    assert made.text == "{{-{{ steps.a.b.jobId }}/{{ }}"
    assert fill_in_job_ids((made.text, "{{ steps.a.jobId }}"), {"a.b": "77"}) == (
        "{{-77/{{ }}",
        "{{ steps.a.jobId }}",
    )


def test_a_job_id_of_an_indirect_dependency_is_known() -> None:
    text = steps(
        f"- {{id: a, {TASK}}}",
        f"- {{id: b, dependsOn: [a], {TASK}}}",
        "- {id: c, dependsOn: [b], task: {imageUri: x, args: ['{{ steps.a.jobId }}']}}",
    )

    assert len(load_text(text).steps) == 3


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("\n", "\r\n"),
        "\ufeff" + WHOLE,
        "---\n" + WHOLE,
        "%YAML 1.2\n---\n" + WHOLE + "...\n",
        "# a comment\n\n" + WHOLE.replace("- id", "# between\n\n- id"),
        WHOLE.replace("\n- ", "\n  - ").replace("\n  ", "\n    ").replace("    - id", "  - id"),
        "\n".join(sorted(WHOLE.split("steps:", maxsplit=1)[0].splitlines(), reverse=True))
        + "\nsteps:"
        + WHOLE.split("steps:")[1],
        "steps:" + WHOLE.split("steps:")[1] + WHOLE.split("steps:", maxsplit=1)[0],
        WHOLE.replace("steps:\n", "steps:   # all of them\n"),
        WHOLE.replace("steps:", '"steps":'),
        WHOLE.replace("task:", "'task':"),
    ],
    ids=range(11),
)
def test_notation_makes_no_difference(text: str) -> None:
    assert load_text(text, {"day": "mon"}) == load_text(WHOLE, {"day": "mon"})


def test_anchors_are_accepted() -> None:
    text = steps(
        "- {id: a, task: &echo {imageUri: x, args: [&word hello, *word]}, env: &e {A: b}}",
        "- {id: b, task: *echo, env: *e}",
    )

    made = load_text(text)

    assert made.steps[1].task == Task("b", "x", ("hello", "hello"))
    assert made.steps[1].env == {"A": "b"}


def test_what_only_looks_like_an_anchor_is_text() -> None:
    text = steps("- {id: a, task: {imageUri: x, args: ['a *.txt & !b', \"*\", '%', a\tb]}}")

    task = load_text(text).steps[0].task

    assert task is not None
    assert task.args == ("a *.txt & !b", "*", "%", "a\tb")


@settings(max_examples=60, deadline=None)
@given(dags(), st.booleans(), st.booleans())
def test_yaml_and_json_of_one_dag_are_equal(
    raw: dict[str, Any],
    indent: bool,  # noqa: FBT001 - drawn by hypothesis
    quote: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    from_json = load_text(json.dumps(raw), file="x.json")
    from_yaml = load_text(as_yaml(raw, indent=indent, quote=quote))

    assert from_json == from_yaml
    assert [step.id for step in from_json.steps] == [step["id"] for step in raw["steps"]]
    for made, written in zip(from_json.steps, raw["steps"], strict=True):
        assert list(made.depends_on) == written.get("dependsOn", [])
        assert made.retries == written.get("retries", 0)
        if made.task:
            args = [
                arg if isinstance(arg, str) else json.dumps(arg) for arg in written["task"]["args"]
            ]
            assert list(made.task.args) == args
        if made.flow:
            assert made.flow.parameters == written["parameters"]


@pytest.mark.parametrize("seed", range(3))
def test_piece_by_piece_is_the_same_as_whole(seed: int) -> None:
    text = layered(2_500)
    head, *items = text.split("\n- ")
    mixed = "\n- ".join([head, *shuffled([one.rstrip("\n") for one in items], seed)]) + "\n"

    cut = parse.outline(mixed)

    assert cut is not None
    assert len(cut.cuts) > 3
    pieces = [step for piece in parse.pieces(mixed, cut.cuts) for step in piece]
    assert pieces == parse.whole_yaml(mixed)["steps"]


@pytest.mark.parametrize(
    "inside",
    [
        "'\n- id: x\n  '",
        '"\n- id: x\n\n- id: y"',
        "[\n- 1,\n- 2]",
        "|\n    - id: x\n    - id: y",
        ">-\n    steps:\n    - id: z",
    ],
)
def test_cutting_never_changes_the_meaning(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that looks like steps, at every place where a cut could fall."""
    for count in range(4):
        monkeypatch.setattr(parse, "_PIECE", 30 * count)
        items = [f"- id: s{number}\n  task: {{imageUri: x}}" for number in range(count)]
        odd = f"- id: odd\n  description: {inside}\n  task: {{imageUri: x}}"
        text = "steps:\n" + "\n".join([*items, odd, "- id: end\n  task: {imageUri: x}"])
        try:
            whole = parse.whole_yaml(text)["steps"]
        except parse.Unparsable:
            whole = None
        cut = parse.outline(text)
        assert cut is not None
        assert len(cut.cuts) > 2
        try:
            steps_ = [step for piece in parse.pieces(text, cut.cuts) for step in piece]
        except parse.Unparsable:
            continue  # then it is read whole
        assert steps_ == whole


def test_the_fingerprint_is_of_the_meaning() -> None:
    first = fingerprint(load_text(WHOLE, {"day": "mon"}))

    assert first == fingerprint(load_text(WHOLE.replace("the first", "else"), {"day": "mon"}))
    assert first != fingerprint(load_text(WHOLE, {"day": "tue"}))
    assert first != fingerprint(
        load_text(WHOLE.replace("retries: 2", "retries: 3"), {"day": "mon"})
    )
    assert len(first) == 64


def test_a_file_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(steps(f"- {{id: a, {TASK}}}"))

    assert load_dag(str(path), {}).name == "test"


def test_a_file_that_is_not_there_is_wrong_input(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(DagInvalid, match="cannot read"):
            load_dag(str(path), {})


def test_an_object_in_cloud_storage(gcs: Bucket) -> None:
    storage.write_object(gcs.url("dags/x.yaml"), steps(f"- {{id: a, {TASK}}}").encode())

    assert load_dag(gcs.url("dags/x.yaml"), {}).name == "test"
    with pytest.raises(DagInvalid, match="there is no object"):
        load_dag(gcs.url("dags/y.yaml"), {})
    with pytest.raises(DagInvalid, match="write gs://BUCKET/OBJECT"):
        load_dag("gs://x", {})


def test_a_load_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(DagInvalid):
        load_text("steps: 1")

    assert gc.isenabled()


@settings(max_examples=100, deadline=None)
@given(dags())
def test_the_loader_knows_where_dependencies_are(raw: dict[str, Any]) -> None:
    made = load_text(as_yaml(raw))
    named = [[made.steps[one].id for one in below] for below in made.dependencies()]
    assert named == [list(step.depends_on) for step in made.steps]
    assert list(made.dependencies()) == list(Dag(made.name, made.steps).dependencies())
