"""A report about one run as one HTML file: counts, failures, Gantt chart, critical path, graph.

All texts are escaped and redacted; the page has no script and loads nothing. A short form in
Markdown is for places that do not show HTML.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from workflows.core.redaction import redact
from workflows.dag.show import render
from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.dag.engine.run_state import RunState
    from workflows.dag.run import RunSummary

_MOST_BARS = 2_000
_MOST_IN_SHORT = 100
_ROW, _WIDTH, _LABEL = 18, 900, 220
_COLOURS = {
    StepState.SUCCEEDED: "#2e7d32",
    StepState.FAILED: "#c62828",
    StepState.CANCELLED: "#ef6c00",
    StepState.SKIPPED: "#9e9e9e",
    StepState.NOT_NEEDED: "#bdbdbd",
}
_NOT_ENDED = "#1565c0"
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;
color:#222;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}
pre{white-space:pre-wrap;margin:0}svg{display:block;max-width:100%;height:auto}
.path{word-break:break-word}
"""


def report_page(run_state: RunState, summary: RunSummary) -> str:
    """The whole page, as HTML."""
    title = escape(redact(summary.name))
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}: {'succeeded' if summary.succeeded else 'failed'}</h1>",
        _facts(summary),
        _failures(summary),
        f"<h2>Critical path, {summary.critical_path_s:.2f} s</h2><p class='path'>",
        " &rarr; ".join(_text(step) for step in summary.critical_path),
        "</p>",
        _gantt(run_state, set(summary.critical_path)),
        _graph(run_state),
        "</body></html>\n",
    ]
    return "".join(parts)


def report_markdown(summary: RunSummary) -> str:
    """The run in short: its facts, the critical path, the failures with the runner's words."""
    facts = [f"| {name} | {value} |" for name, value in _rows(summary)]
    path = " → ".join(f"`{step}`" for step in _short(summary.critical_path))
    lines = ["| | |", "| --- | --- |", *facts, ""]
    lines += [f"Critical path, {summary.critical_path_s:.2f} s: {path}"] if path else []
    for one in summary.failed[:_MOST_IN_SHORT]:
        lines += ["", f"### `{one['step']}`: {one['state']}", ""]
        lines += [f"    {line}" for line in one["message"].splitlines()]  # a block of code
    if len(summary.failed) > _MOST_IN_SHORT:
        lines += ["", f"… and {len(summary.failed) - _MOST_IN_SHORT:,} more failures"]
    return redact("\n".join(lines) + "\n")


def _short(path: Sequence[str]) -> list[str]:
    if len(path) <= _MOST_IN_SHORT:
        return list(path)
    half = _MOST_IN_SHORT // 2
    return [*path[:half], "…", *path[-half:]]


def _text(text: str) -> str:
    return escape(redact(text))


def _rows(summary: RunSummary) -> list[tuple[str, str]]:
    rows = [("run", summary.run_id), ("steps", f"{summary.steps:,}")]
    rows += [(name.replace("_", " "), f"{count:,}") for name, count in summary.counts.items()]
    rows += [("wall time", f"{summary.duration_s:.2f} s"), ("looks", f"{summary.looks:,}")]
    if summary.reused:
        rows.append(("taken over from before", f"{summary.reused:,}"))
    return rows


def _facts(summary: RunSummary) -> str:
    cells = "".join(f"<tr><th>{_text(a)}</th><td>{_text(b)}</td></tr>" for a, b in _rows(summary))
    return f"<table>{cells}</table>"


def _failures(summary: RunSummary) -> str:
    if not summary.failed:
        return ""
    rows = "".join(
        f"<tr><th>{_text(one['step'])}</th><td>{_text(one['state'])}</td>"
        f"<td><pre>{_text(one['message'])}</pre></td></tr>"
        for one in summary.failed[:_MOST_BARS]
    )
    return f"<h2>Failures</h2><table>{rows}</table>"


def _gantt(run_state: RunState, critical: set[str]) -> str:
    """A bar for each step that ran, in the order they began."""
    ran = [step for step, began in enumerate(run_state.began) if began]
    ran.sort(key=run_state.began.__getitem__)
    if not ran:
        return ""
    first = run_state.began[ran[0]]
    span = max(max(run_state.over[step] for step in ran) - first, 0.001)
    shown = ran[:_MOST_BARS]
    height = _ROW * len(shown) + 4
    bars = []
    for row, step in enumerate(shown):
        over = max(run_state.over[step], run_state.began[step])
        x = _LABEL + (run_state.began[step] - first) / span * _WIDTH
        width = max((over - run_state.began[step]) / span * _WIDTH, 1.0)
        name = run_state.dag.steps[step].id
        colour = _colour(run_state.scheduler.states[step])
        weight = " font-weight='bold'" if name in critical else ""
        label = f"{_text(name)}: {over - run_state.began[step]:.2f} s"
        y = row * _ROW
        bars.append(
            f"<text x='0' y='{y + 13}' font-size='11'{weight}>{_text(name[:34])}</text>"
            f"<rect x='{x:.1f}' y='{y + 3}' width='{width:.1f}' height='12' fill='{colour}'>"
            f"<title>{label}</title></rect>"
        )
    more = f"<p>The first {len(shown):,} of {len(ran):,}.</p>" if len(ran) > len(shown) else ""
    return (
        f"<h2>When each step ran</h2>{more}"
        f"<svg viewBox='0 0 {_LABEL + _WIDTH + 10} {height}' role='img'>{''.join(bars)}</svg>"
    )


def _graph(run_state: RunState) -> str:
    """The picture of `workflows dag show`, each step outlined in the colour of its state."""
    states = zip(run_state.dag.steps, run_state.scheduler.states, strict=True)
    outlines = {step.id: _colour(state) for step, state in states}
    return f"<h2>Graph</h2>{render.svg(run_state.dag, outlines=outlines, text=redact)}"


def _colour(state: StepState) -> str:
    return _COLOURS.get(state, _NOT_ENDED)
