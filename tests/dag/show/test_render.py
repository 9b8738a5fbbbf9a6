"""Pictures of DAGs: complete, well-formed whatever the texts are, and bounded."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.dag.support import layered, load_text
from workflows.dag.file.loader import load_dag
from workflows.dag.file.model import Dag, FlowCall, Step, Task, When
from workflows.dag.show import render
from workflows.dag.show.layout import layout

DAGS = Path(__file__).parents[3] / "dags"
FORK = load_dag(str(DAGS / "fork_error_dag.yaml"), {})
NASTY = '"]; </svg><script>alert(1)</script> & \\ \n\0\x1b end'
ODD = Dag(
    NASTY,
    (
        Step("a", task=Task(NASTY, NASTY), description=NASTY),
        Step("b", ("a",), flow=FlowCall("push_feature", {}), when=When.ALWAYS),
    ),
)


def test_mermaid_has_every_step_and_arrow() -> None:
    lines = render.mermaid(FORK).splitlines()

    assert lines[:3] == ["flowchart TD", '  s0["prepare"]', '  s1["broken"]']
    assert "  s0 --> s1" in lines
    assert "  s1 -. on_failure .-> s5" in lines
    assert len(lines) == 1 + 7 + 8


def test_dot_has_every_step_and_arrow() -> None:
    text = render.dot(FORK)

    assert text.startswith('digraph "fork_error" {')
    assert "  s0 -> s1;" in text
    assert '  s1 -> s5 [style=dashed, label="on_failure"];' in text
    assert text.count("->") == 8


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("dag", [FORK, ODD])
def test_graphviz_reads_it(dag: Dag) -> None:
    subprocess.run(["dot", "-Tsvg"], input=render.dot(dag), text=True, check=True, timeout=30)


@pytest.mark.parametrize("dag", [FORK, ODD])
def test_svg_is_well_formed_and_has_every_step(dag: Dag) -> None:
    root = ET.fromstring(render.svg(dag))  # noqa: S314 - our own text

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {step.id for step in dag.steps} <= texts
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))


def test_boxes_of_a_picture_do_not_overlap() -> None:
    dag = load_text(layered(200))
    boxes = [
        (int(x), int(y))
        for x, y in re.findall(r'<rect x="(\d+)" y="(\d+)" width="168"', render.svg(dag))
    ]

    assert len(set(boxes)) == 200
    rows: dict[int, list[int]] = {}
    for x, y in boxes:
        rows.setdefault(y, []).append(x)
    for row in rows.values():
        row.sort()
        assert all(right - left >= 168 for left, right in itertools.pairwise(row))


def test_arrows_point_down() -> None:
    places = layout(FORK.steps).places

    for step in FORK.steps:
        assert all(places[one][0] < places[step.id][0] for one in step.depends_on)


@pytest.mark.parametrize("form", list(render.FORMATS))
def test_a_large_dag_is_drawn_in_part_and_says_so(form: str) -> None:
    text = render.FORMATS[form](load_text(layered(5_000)))

    assert "4,500" in text
    assert len(text) < 500_000


def test_svg_outlines_steps_and_changes_texts_before_it_cuts_them() -> None:
    secret = "a-very-long-secret-of-thirty-two"
    dag = Dag("test", (Step(f"deploy-{secret}", task=Task("a", f"x/{secret}")),))

    picture = render.svg(
        dag, outlines={dag.steps[0].id: "#123456"}, text=lambda one: one.replace(secret, "***")
    )

    assert 'stroke="#123456"' in picture
    assert ">deploy-***<" in picture
    assert "a-very" not in picture
