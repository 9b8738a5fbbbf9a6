"""Finds the name that a misspelt one most likely means, for `did you mean …?`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is most similar to `name`; None if none is similar enough."""
    import difflib  # noqa: PLC0415 - costs 5 ms, so only when there is a mistake

    found = difflib.get_close_matches(name, list(names), n=1)
    return found[0] if found else None
