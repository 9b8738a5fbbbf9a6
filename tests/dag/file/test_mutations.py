"""Whatever a file holds: it is sound, or it is refused with a line; never a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dag.support import as_yaml, dags, load_text
from workflows.core.errors import DagInvalid
from workflows.dag.file import nodes, parse
from workflows.dag.file.limits import more_nodes_than, node_bound
from workflows.dag.file.scan import Scan

EXAMPLES = sorted((Path(__file__).parents[3] / "dags").glob("*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in EXAMPLES]
PARAMS = {"project": "shop"}
# what breaks parsers: indicators, escapes, line ends of all kinds, odd numbers, our own words
SPLINTERS = [
    *"\t\r\n\0\x01\x85\u2028\ufeff:-?[]{}#&*!|>'\"%@`,~😀",
    *[
        "\n- ",
        "\n  - ",
        "\n    ",
        ": ",
        " #",
        "&a ",
        "*a",
        "!!int ",
        "<<: ",
        "---\n",
        "...\n",
        "{{",
    ],
    *["}}", "null", "true", "1e999", ".nan", "99999999999999999999", "0x", "id: a\n", "steps:\n"],
    *["task:", "dependsOn: ", "[[", "{{ steps.x.jobId }}", "\\ud800", '"\\ud800"', "? "],
]


def judged(data: bytes, file: str = "x.yaml") -> bool:
    """Whether the file is sound; if it is not, every finding must have a place in it."""
    lines = (
        data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + data.count(b"\xe2\x80") + 1
    )
    try:
        load_text(data, PARAMS, file)
    except DagInvalid as error:
        found = error.findings
    else:
        return True
    assert found
    assert all(1 <= one.line <= lines + 1 and one.column >= 1 and one.message for one in found)
    return False


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_of_the_bytes_is_sound_or_has_a_line(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(TEXTS)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 2, 5, 40]))
        new = st.sampled_from(SPLINTERS).map(lambda one: one.encode("utf-8", "surrogatepass"))
        text[start:end] = data.draw(new | st.binary(max_size=3))

    judged(bytes(text))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_of_the_lines_is_sound_or_has_a_line(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(TEXTS)).splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        here = data.draw(st.integers(0, len(lines) - 1))
        there = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["move", "copy", "drop", "indent", "outdent"]))
        line = lines[here]
        if kind in {"move", "drop"} and len(lines) > 1:
            del lines[here]
        if kind in {"move", "copy"}:
            lines.insert(there, line)
        if kind == "indent":
            lines[here] = "  " + line
        if kind == "outdent":
            lines[here] = line.removeprefix("  ")

    judged("".join(lines).encode())


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**30, "", "a", "a b", "{{ x }}", [], {}, [[]], {"a": 1}, ["a", "a"]]
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value as (container, key)."""
    found = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in pairs:
        found.append((value, key))
        if isinstance(one, (dict, list)):
            found += places(one)
    return found


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_of_the_structure_is_judged_alike_in_yaml_and_json(data: st.DataObject) -> None:
    raw = data.draw(dags(max_steps=4))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(raw)))
        if data.draw(st.booleans()):
            container[key] = copy.deepcopy(data.draw(ODD))
        elif isinstance(container, dict) and len(container) > 1:
            container[data.draw(st.sampled_from(["id", "imageUrl", "args", "x"]))] = container.pop(
                key
            )
        if not places(raw):
            return
    whole = json.dumps(raw)

    in_json = judged(whole.encode(), "x.json")

    assert judged(yaml.safe_dump(raw, sort_keys=False, width=10**6).encode()) == in_json
    steps = raw.get("steps")
    if isinstance(steps, list) and all(isinstance(one, dict) and one for one in steps):
        assert judged(as_yaml(raw).encode()) == in_json


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_fast_and_the_slow_parser_accept_the_same(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.sampled_from([0, 0, 1, 5]))
    text = text[:start] + data.draw(st.sampled_from(SPLINTERS)) + text[end:]
    try:
        parse.whole_yaml(text)
        fast = True
    except parse.Unparsable as error:
        fast = False
        # it refuses values that libyaml, which does not look at them, cannot
        if "invalid" in str(error) and "control" not in str(error):
            return

    slow = Scan(()).run(nodes.yaml_nodes(text)).problems

    if fast:
        told = {problem.message.split(" ")[-1] for _, problem in slow}
        assert not slow or "!" in text or told <= {"text"}, slow
    else:
        assert slow or "\ud800" in text


def outcome(text: str) -> Any:
    """The DAG of the text, or everything that is wrong with it."""
    try:
        return load_text(text, PARAMS)
    except DagInvalid as error:
        return error.findings


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_reading_in_pieces_changes_no_result_and_no_finding(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(0, 2))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 5]))
        text = text[:start] + data.draw(st.sampled_from(SPLINTERS)) + text[end:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "_PIECE", 1)
        in_pieces = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "outline", lambda _: None)
        whole = outcome(text)

    assert in_pieces == whole


@settings(max_examples=50, deadline=None)
@given(dags())
def test_the_bound_on_nodes_is_one(raw: dict[str, Any]) -> None:
    for text in (json.dumps(raw, ensure_ascii=False), as_yaml(raw)):
        found = nodes.yaml_nodes(text)
        count = sum(node.kind in {"scalar", "map", "list"} for node in found)

        assert count <= node_bound(text)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("a-, \n[{:é"), max_size=30), st.integers(0, 40))
def test_a_limit_on_nodes_is_kept_to_the_node(text: str, limit: int) -> None:
    assert more_nodes_than(limit, text) == (node_bound(text) > limit)


@pytest.mark.parametrize("text", TEXTS, ids=[path.stem for path in EXAMPLES])
def test_every_cut_of_an_example_is_sound_or_has_a_line(text: str) -> None:
    for end in range(0, len(text), 17):
        judged(text[:end].encode())
