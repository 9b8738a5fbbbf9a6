"""Texts: names, ids, images, and the templates in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.dag.file import fields
from workflows.dag.file.checks import scalars
from workflows.dag.file.templates import MARK, expand_templates

if TYPE_CHECKING:
    from workflows.dag.file.checks.context import CheckContext
    from workflows.dag.file.findings import ValuePath


def check_text(context: CheckContext, path: ValuePath, value: Any) -> str:
    """Any text; nothing (`null`) stands for an empty one."""
    if value is None or type(value) is str:
        return value or ""
    context.complain_of_kind(path, f"`{path[-1]}` must be a text", value)
    return ""


def check_name(context: CheckContext, path: ValuePath, value: Any) -> str:
    """One line of printable text."""
    text = check_text(context, path, value)
    if type(value) is str and not (0 < len(text) <= fields.MAX_TEXT and text.isprintable()):
        says = f"no name: {scalars.short(text)}"
        context.complain(path, says, f"use 1 to {fields.MAX_TEXT} printable characters")
    return text


def check_step_id(context: CheckContext, path: ValuePath, value: Any) -> None:
    """Make the id of the step at `path` the context's; it must be there."""
    context.step_id = None
    if value is None:
        context.complain(path, "the step has no `id`", "give it one")
    elif type(value) is not str:
        context.complain_of_kind((*path, "id"), "`id` must be a text", value)
    else:
        context.step_id = context.shared.setdefault(value, value)
        if fields.ID_PATTERN.fullmatch(value) is None:
            context.complain(
                (*path, "id"),
                f"`id` may not be {scalars.short(value)}",
                "use letters, digits, `.`, `_` and `-`, at most 128, a letter or digit first",
            )


def check_image(context: CheckContext, path: ValuePath, value: Any) -> str:
    """The address of a container image, with its parameters filled in."""
    known = context.images.get(value) if type(value) is str else None
    if known is not None:
        return known
    text = expanded(context, path, check_text(context, path, value))
    if len(text) > fields.MAX_IMAGE or text.split() != [text]:
        if type(value) is str:
            says = f"no image is called {scalars.short(text)}"
            context.complain(path, says, "write registry/name:tag")
        return ""
    context.images[value] = text
    return text


def expanded(context: CheckContext, path: ValuePath, value: str, *, job_ids: bool = False) -> str:
    """The text with its parameters filled in; `job_ids` says whether job ids may stand in it."""
    if "\0" in value:
        context.complain(path, "a text may not hold the character NUL", "take it out")
    if MARK not in value:
        return value
    made = expand_templates(value, context.params, job_ids=job_ids)
    for message, fix in made.problems:
        context.complain(path, message, fix)
    return made.text
