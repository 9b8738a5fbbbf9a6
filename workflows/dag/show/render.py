"""A DAG as a picture: Mermaid, DOT or SVG text. Pure; every text from the file is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from workflows.dag.file.model import When
from workflows.dag.file.order import topological_order
from workflows.dag.show.layout import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workflows.dag.file.model import Dag, Step
    from workflows.dag.show.layout import Layout

MAX_DRAWN = 500
"""Steps that are drawn; beyond them a note says how many are left out."""
_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _MARGIN = 168, 40, 24, 44, 24
_HEAD_H = 32
_COLOURS = {
    "task": ("#eef4ff", "#3b6fb6"),
    "flow": ("#f1ecfb", "#7a4fb5"),
    When.ALWAYS: ("#f3f3f3", "#6b6b6b"),
    When.ON_FAILURE: ("#fdeeee", "#b64a3b"),
}
_STYLE = (
    # with a class, since in a page these rules would apply to its other pictures too
    ".dag text{font:13px system-ui,sans-serif;fill:#222}.dag .small{font-size:10px;fill:#555}"
    ".dag .head{font-weight:600;font-size:15px}"
    ".dag path{fill:none;stroke:#8a8f98;stroke-width:1.3}.dag rect{stroke-width:1.3}"
)

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#8a8f98;stroke:none"/></marker></defs>'
)


class _Drawn(NamedTuple):
    steps: tuple[Step, ...]
    left_out: int


def mermaid(dag: Dag) -> str:
    """A Mermaid flowchart, as GitLab shows it in Markdown."""
    drawn = _drawn(dag)
    number = {step.id: index for index, step in enumerate(drawn.steps)}
    lines = ["flowchart TD"]
    for index, step in enumerate(drawn.steps):
        label = _mermaid_text(step.id)
        shape = f'[["{label}"]]' if step.flow else f'["{label}"]'
        lines.append(f"  s{index}{shape}")
    for index, step in enumerate(drawn.steps):
        arrow = "-->" if step.when is When.ON_SUCCESS else f"-. {step.when} .->"
        lines += [f"  s{number[one]} {arrow} s{index}" for one in step.depends_on if one in number]
    if drawn.left_out:
        lines.append(f'  more["… {drawn.left_out:,} more steps"]')
    return "\n".join(lines) + "\n"


def dot(dag: Dag) -> str:
    """A Graphviz digraph."""
    drawn = _drawn(dag)
    number = {step.id: index for index, step in enumerate(drawn.steps)}
    lines = [f"digraph {_dot_text(dag.name)} {{", "  node [shape=box, style=rounded];"]
    for index, step in enumerate(drawn.steps):
        more = ", peripheries=2" if step.flow else ""
        lines.append(f"  s{index} [label={_dot_text(step.id)}{more}];")
    for index, step in enumerate(drawn.steps):
        more = (
            "" if step.when is When.ON_SUCCESS else f" [style=dashed, label={_dot_text(step.when)}]"
        )
        lines += [
            f"  s{number[one]} -> s{index}{more};" for one in step.depends_on if one in number
        ]
    if drawn.left_out:
        text = _dot_text(f"… {drawn.left_out:,} more steps")
        lines.append(f"  more [shape=plaintext, label={text}];")
    return "\n".join([*lines, "}"]) + "\n"


def svg(
    dag: Dag, *, outlines: Mapping[str, str] | None = None, text: Callable[[str], str] = str
) -> str:
    """A self-contained SVG: a row for each depth, arrows from dependencies down.

    `outlines` are colours of boxes by step id; `text` is applied to every text before it is cut
    and escaped.
    """
    drawn = _drawn(dag)
    plan = layout(drawn.steps)
    width = max(2 * _MARGIN + plan.columns * (_BOX_W + _GAP_X) - _GAP_X, 360)
    height = _HEAD_H + 2 * _MARGIN + plan.rows * (_BOX_H + _GAP_Y) - _GAP_Y
    title = f"{text(dag.name)}: {len(dag.steps):,} steps"
    if drawn.left_out:
        title += f", the last {drawn.left_out:,} are not drawn"
    size = f'width="{width}" height="{height}"'
    view = f'viewBox="0 0 {width} {height}"'
    lines = [
        f'<svg class="dag" xmlns="http://www.w3.org/2000/svg" {view} {size} role="img">',
        f"<title>{_xml(title)}</title><style>{_STYLE}</style>",
        _TIP,
        f'<rect {size} fill="#fff"/>',
        f'<text class="head" x="{_MARGIN}" y="{_MARGIN + 8}">{_xml(title)}</text>',
    ]
    lines += _arrows(drawn.steps, plan)
    for step in drawn.steps:
        outline = outlines.get(step.id) if outlines else None
        lines.append(_box(step, _corner(step.id, plan), outline, text))
    return "\n".join([*lines, "</svg>"]) + "\n"


FORMATS: Mapping[str, Callable[[Dag], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}


def _drawn(dag: Dag) -> _Drawn:
    """All steps, or the first `MAX_DRAWN` in an order in which dependencies come first."""
    if len(dag.steps) <= MAX_DRAWN:
        return _Drawn(dag.steps, 0)
    chosen = topological_order(dag.dependencies())[:MAX_DRAWN]
    return _Drawn(tuple(dag.steps[step] for step in chosen), len(dag.steps) - len(chosen))


def _corner(name: str, plan: Layout) -> tuple[int, int]:
    row, column = plan.places[name]
    return (
        round(_MARGIN + column * (_BOX_W + _GAP_X)),
        _HEAD_H + _MARGIN + row * (_BOX_H + _GAP_Y),
    )


def _arrows(steps: tuple[Step, ...], plan: Layout) -> list[str]:
    lines = []
    for step in steps:
        left, top = _corner(step.id, plan)
        x, y = left + _BOX_W // 2, top
        dashes = "" if step.when is When.ON_SUCCESS else ' stroke-dasharray="5 4"'
        for one in step.depends_on:
            if one not in plan.places:
                continue
            from_left, from_top = _corner(one, plan)
            from_x, from_y = from_left + _BOX_W // 2, from_top + _BOX_H
            bend = max((y - from_y) // 2, _GAP_Y // 2)
            lines.append(
                f'<path d="M{from_x} {from_y}C{from_x} {from_y + bend} {x} {y - bend} {x} {y - 2}"'
                f' marker-end="url(#tip)"{dashes}/>'
            )
    return lines


def _box(
    step: Step, corner: tuple[int, int], outline: str | None, text: Callable[[str], str]
) -> str:
    x, y = corner
    plain = "flow" if step.flow else "task"
    fill, stroke = _COLOURS[plain if step.when is When.ON_SUCCESS else step.when]
    runs = step.task.image_uri if step.task else f"flow {step.flow.workflow if step.flow else ''}"
    name, runs = text(step.id), text(runs)
    tip = "\n".join(part for part in (name, text(step.description), runs) if part)
    dashes = ' stroke-dasharray="5 4"' if step.when is not When.ON_SUCCESS else ""
    middle = x + _BOX_W // 2
    return (
        f"<g><title>{_xml(tip)}</title>"
        f'<rect x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="7" fill="{fill}"'
        f' stroke="{outline or stroke}"{dashes}/>'
        f'<text x="{middle}" y="{y + 17}" text-anchor="middle">{_xml(_cut(name, 22))}</text>'
        f'<text class="small" x="{middle}" y="{y + 32}" text-anchor="middle">'
        f"{_xml(_cut(_short_name(runs), 30))}</text></g>"
    )


def _short_name(runs: str) -> str:
    return runs.rsplit("/", 1)[-1]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _xml(text: str) -> str:
    """Text for XML, without the characters XML cannot hold."""
    return escape("".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text))


def _mermaid_text(text: str) -> str:
    return "".join(one if one.isalnum() or one in " ._-" else f"#{ord(one)};" for one in text)


def _dot_text(text: str) -> str:
    clean = "".join(one if one.isprintable() else " " for one in text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
