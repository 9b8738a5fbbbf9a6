"""`workflows describe`: a flow's parameters as a table, or as JSON Schema."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from workflows.cli import flags, output

if TYPE_CHECKING:
    from workflows.core.flow import Flow


def parameter_rows(flow: Flow) -> list[tuple[str, str, str]]:
    """(flag, default or `required`, description) of every parameter, required ones first."""
    return [
        (flags.flag_name(flag.parameter), flag.shown_default, flag.description)
        for flag in flags.flags_of_flow(flow)
    ]


def describe_flow(flow: Flow, *, as_json: bool) -> int:
    """Print the flow's summary and parameters; a drawn table on a terminal."""
    if as_json:
        schema = flow.parameters.model_json_schema()
        facts = {"name": flow.name, "summary": flow.summary, "parameters": schema}
        output.say(json.dumps(facts))
        return 0
    if sys.stdout.isatty():
        _draw(flow)
        return 0
    lines = parameter_rows(flow)
    widths = [max(len(line[i]) for line in lines) for i in (0, 1)]
    output.say(f"{flow.name}: {flow.summary}\n")
    for flag, default, text in lines:
        output.say(f"{flag:<{widths[0]}}  {default:<{widths[1]}}  {text}")
    return 0


def _draw(flow: Flow) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("parameter", "default", "meaning", title=flow.summary, title_justify="left")
    for row in parameter_rows(flow):
        table.add_row(*row)
    Console().print(table)
