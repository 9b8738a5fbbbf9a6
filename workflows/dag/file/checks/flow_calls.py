"""Steps that run a flow: its name, and parameters that JSON can hold.

Whether the flow takes these parameters is checked by `dag.file.flow_parameters`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.core.nearest import nearest
from workflows.dag.file import fields
from workflows.dag.file.checks import scalars
from workflows.dag.file.checks.arguments import complain_if_huge
from workflows.dag.file.checks.texts import expanded
from workflows.dag.file.limits import MAX_DEPTH
from workflows.dag.file.model import FlowCall
from workflows.dag.file.parse import JsonNumber

if TYPE_CHECKING:
    from workflows.dag.file.checks.context import CheckContext
    from workflows.dag.file.findings import ValuePath


def check_flow_call(context: CheckContext, path: ValuePath, name: Any, parameters: Any) -> FlowCall:
    """The flow that the step at `path` runs, with its parameters."""
    at = (*path, "workflow")
    if type(name) is not str:
        context.complain_of_kind(at, "`workflow` must be a text", name)
    elif context.flows is not None and name not in context.flows:
        close = nearest(name, context.flows)
        fix = f"did you mean {close!r}?" if close else f"there are {', '.join(context.flows)}"
        context.complain(at, f"there is no flow {scalars.short(name)}", fix)
    elif fields.FLOW_PATTERN.fullmatch(name) is None:
        context.complain(at, f"no flow is called {scalars.short(name)}", "see `workflows list`")
    if parameters is None:
        return FlowCall(str(name), {})
    at = (*path, "parameters")
    if not context.is_of_kind(at, parameters, dict, "`parameters` must be a mapping"):
        return FlowCall(str(name), {})
    return FlowCall(str(name), _check_json(context, at, parameters))


def _check_json(context: CheckContext, path: ValuePath, value: Any) -> Any:
    """The value with the texts in it expanded."""
    if len(path) > MAX_DEPTH:
        context.complain(path, f"nested more than {MAX_DEPTH} levels deep", "write it flatter")
        return None
    if type(value) is dict:
        for key in value:
            if type(key) is not str:
                context.complain_of_kind((*path, str(key)), "a key must be a text", key)
        return {
            str(key): _check_json(context, (*path, str(key)), one) for key, one in value.items()
        }
    if type(value) is list:
        return [_check_json(context, (*path, index), one) for index, one in enumerate(value)]
    return _check_scalar(context, path, value)


def _check_scalar(context: CheckContext, path: ValuePath, value: Any) -> Any:
    if type(value) is str:
        return expanded(context, path, value)
    if type(value) is JsonNumber or type(value) is float:
        number = scalars.finite(value)
        if number is None:
            context.complain_of_kind(path, "a parameter must be something JSON has", value)
        return number
    complain_if_huge(context, path, value)
    return value
