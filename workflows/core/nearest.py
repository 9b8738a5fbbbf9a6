"""Did you mean …? The nearest of the names there are, for messages about a misspelt one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is most like `name`; None if none is much like it."""
    import difflib  # noqa: PLC0415 - 5 ms that a command line without a mistake does not pay

    found = difflib.get_close_matches(name, list(names), n=1)
    return found[0] if found else None
