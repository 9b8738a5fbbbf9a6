"""Settings of a step or a DAG: whole numbers, durations, and one of several words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.core.nearest import nearest
from workflows.dag.file import fields
from workflows.dag.file.checks import scalars

if TYPE_CHECKING:
    from workflows.dag.file.checks.context import CheckContext
    from workflows.dag.file.findings import ValuePath


def check_whole_number(context: CheckContext, path: ValuePath, value: Any, of: fields.Field) -> int:
    """A whole number within the bounds of the field `of`."""
    least, most = of.schema["minimum"], of.schema["maximum"]
    if type(value) is int and least <= value <= most:
        return value
    says = f"`{of.name}` must be a whole number from {least} to {most:,}"
    context.complain_of_kind(path, says, value)
    return int(least)


def check_timeout(context: CheckContext, path: ValuePath, value: Any) -> float | None:
    """A duration, in seconds."""
    seconds = scalars.seconds(value)
    if seconds is None or not 0 < seconds <= fields.MAX_TIMEOUT_S:
        context.complain(
            path,
            f"`timeout` may not be {scalars.short(str(value))}",
            "write seconds, or a text such as 90s, 15m or 2h; at most 7 days",
        )
        return None
    return seconds


def check_choice(context: CheckContext, path: ValuePath, value: Any, default: Any) -> Any:
    """A member of the enumeration of `default`, which stands for nothing (`null`)."""
    choices = type(default)
    if value is None:
        return default
    try:
        return choices(value)
    except ValueError:
        names = [str(one) for one in choices]
        close = nearest(value, names) if type(value) is str else None
        fix = f"did you mean {close!r}?" if close else f"use one of {', '.join(names)}"
        context.complain(path, f"`{path[-1]}` may not be {scalars.short(str(value))}", fix)
        return default
