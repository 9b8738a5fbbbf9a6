"""The keys of a mapping: every one is known, and none is there in two spellings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.core.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.dag.file.checks.context import CheckContext
    from workflows.dag.file.fields import KeyTable
    from workflows.dag.file.findings import ValuePath


def documented_values(
    raw: Mapping[Any, Any], table: KeyTable
) -> tuple[Mapping[str, Any], Sequence[object]]:
    """The values by documented key, and the keys that are unknown or there a second time."""
    if raw.keys() <= table.documented:  # true for most mappings; nothing need be copied
        return raw, ()
    found: dict[str, Any] = {}
    wrong: list[object] = []
    for key, value in raw.items():
        name = table.by_spelling.get(key) if type(key) is str else None
        if name is None:
            wrong.append(key)
        elif name in found:
            wrong.append(name)
        else:
            found[name] = value
    return found, wrong


def complain_of_keys(
    context: CheckContext,
    path: ValuePath,
    wrong: Sequence[object],
    found: Mapping[str, Any],
    table: KeyTable,
) -> None:
    """Add a mistake for each of the `wrong` keys that `documented_values` gave."""
    for key in wrong:
        shown = str(key)
        if shown in found and key != "<<":
            context.complain((*path, shown), f"the key {shown!r} is there in two spellings")
            continue
        fix = _advice(key, table)
        context.complain((*path, shown), f"unknown key {shown[:60]!r}", fix, at_key=True)


def _advice(key: object, table: KeyTable) -> str:
    if key == "<<":
        return "merge keys are not supported: write the keys out"
    if type(key) is str and (close := nearest(key, map(str, table.by_spelling))):
        return f"did you mean {table.by_spelling[close]!r}?"
    return "there are " + ", ".join(dict.fromkeys(table.by_spelling.values()))
