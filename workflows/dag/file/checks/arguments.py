"""Arguments and environment of a task: texts, or numbers and booleans as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.dag.file import fields
from workflows.dag.file.checks import scalars, texts
from workflows.dag.file.parse import JsonNumber
from workflows.dag.file.templates import MARK

if TYPE_CHECKING:
    from workflows.dag.file.checks.context import CheckContext
    from workflows.dag.file.findings import ValuePath


def check_args(context: CheckContext, path: ValuePath, value: Any) -> tuple[str, ...]:
    """The list of arguments, with parameters filled in; some may be a `Template`."""
    if not context.is_of_kind(path, value, list, "`args` must be a list"):
        return ()
    if scalars.only_texts(map(type, value)):
        joined = "".join(value)
        if MARK not in joined and "\0" not in joined:
            return tuple(value)
    return tuple(
        [_check_word(context, (*path, index), one, job_ids=True) for index, one in enumerate(value)]
    )


def check_env(context: CheckContext, path: ValuePath, value: Any) -> dict[str, str]:
    """The environment variables by name."""
    if not context.is_of_kind(path, value, dict, "`env` must be a mapping of names to texts"):
        return {}
    found = {}
    for name, one in value.items():
        if type(name) is not str or fields.ENV_PATTERN.fullmatch(name) is None:
            context.complain(
                (*path, str(name)),
                f"no environment variable is called {scalars.short(str(name))}",
                "use letters, digits and `_`, no digit first",
                at_key=True,
            )
            continue
        shared = context.shared.setdefault(name, name)
        found[shared] = _check_word(context, (*path, name), one, job_ids=False)
    return found


def _check_word(context: CheckContext, path: ValuePath, value: Any, *, job_ids: bool) -> str:
    if type(value) is str:
        return texts.expanded(context, path, value, job_ids=job_ids)
    if type(value) is JsonNumber:
        return str(value)
    if not scalars.is_plain(value):
        context.complain_of_kind(path, "must be a text, a number or a boolean", value)
        return ""
    return _as_written(context, path, value)


def _as_written(context: CheckContext, path: ValuePath, value: Any) -> str:
    """A number or boolean in the file's own notation: `1.10` stays `1.10`."""
    complain_if_huge(context, path, value)
    if type(value) is not float and context.is_exact():
        return scalars.spelt(value)
    if context.texts is None:
        context.unsure.append(path)
        return ""
    if path not in context.texts:  # behind an alias
        context.complain(path, "it is not clear how this is written", "put it in quotes")
    return context.texts.get(path, "")


def complain_if_huge(context: CheckContext, path: ValuePath, value: Any) -> None:
    """Add a mistake for a whole number of more than 64 bits."""
    if scalars.is_huge(value):
        context.complain(path, "a number of more than 64 bits", "put it in quotes")
