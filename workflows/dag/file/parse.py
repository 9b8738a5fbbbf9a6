"""From text to plain values, fast; a list of steps in block style is read piece by piece.

A piece is some dozen steps, so memory holds the file, the steps, and the plain values of one piece
only. The text is cut before lines that look like a step. A cut inside a quoted text, a flow list
or anything else that spans lines leaves a piece that cannot be parsed; the whole text is read then.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ryaml import loads as ryaml_loads  # type: ignore[attr-defined] # it is exported

from workflows.dag.file.limits import MAX_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 5_000  # characters
# Each begins with a literal, which `re` finds ten times as fast as the start of a line.
_STEPS = re.compile(r"steps:(?<![^\n]steps:)[ \t]*(?:#.*)?\r?\n")
_FIRST = re.compile(r"(?:[ ]*(?:#.*)?\r?\n)*( *)- ")
_NEXT_KEY = {True: re.compile(r"\n[^\s#]"), False: re.compile(r"\n[^\s#-]")}
_INDICATOR = re.compile(r"[&*!](?<![^\s\[{,][&*!])\S")
# Directives, document marks, tabs, and characters that end a line in YAML but not for us.
_UNUSUAL = ("\n%", "\n---", "\n...", "\t", "\x85", "\u2028", "\u2029", "\ufeff")
_RARE = {mark: mark[-1] for mark in _UNUSUAL}  # a character alone is found ten times as fast


class Unparsable(Exception):  # caught by the loader, which makes findings of it
    """The fast parser refused the text; the message may name a line and a column."""


class JsonNumber(str):
    """A number of a JSON text as it is written, where a `float` would lose digits."""

    __slots__ = ()


class Outline(NamedTuple):
    """A text cut up: the keys around the steps, and where the pieces of the steps begin."""

    head: dict[Any, Any]
    cuts: list[int]
    steps: int
    """How many steps there are; exact only above `MAX_STEPS`, else perhaps too many."""


def unusual(text: str) -> bool:
    """Whether the text may hold YAML that has to be scanned before it is parsed.

    Such are anchors, aliases, tags and several documents. What only looks like one, inside a text,
    counts too; that costs time, but changes no result.
    """
    return (
        text.startswith(("%", "---", "..."))
        or any(rare in text and mark in text for mark, rare in _RARE.items())
        or ("\r" in text and text.count("\r") != text.count("\r\n"))
        or (any(mark in text for mark in "&*!") and _INDICATOR.search(text) is not None)
    )


def outline(text: str) -> Outline | None:
    """How to read this YAML text piece by piece; None if it must be read whole."""
    found = _STEPS.search(text)
    if found is None or text.find("\nsteps:", found.end() - 1) >= 0:
        return None
    first = _FIRST.match(text, found.end())
    if first is None:
        return None
    start = found.end() - 1  # the line end before the steps, which the patterns begin with
    tail = _NEXT_KEY[bool(first[1])].search(text, start)
    end = tail.start() + 1 if tail else len(text)
    item = re.compile(rf"\n{first[1]}-(?=[ \r\n])")
    head = _head(text[: found.start()], text[end:])
    if head is None:
        return None
    steps = text.count(f"\n{first[1]}-", start, end)
    if steps > MAX_STEPS:
        steps = sum(1 for _ in item.finditer(text, start, end))
    cuts = [start + 1]
    while (next_item := item.search(text, cuts[-1] + _PIECE, end)) is not None:
        cuts.append(next_item.start() + 1)
    return Outline(head, [*cuts, end], steps)


def _head(before: str, after: str) -> dict[Any, Any] | None:
    """The keys before and after the steps; None if a part cannot be read by itself."""
    found: dict[Any, Any] = {}
    for text in (before, after):
        try:
            part = whole_yaml(text)
        except Unparsable:
            return None
        if part is not None:
            if not isinstance(part, dict) or "steps" in part or part.keys() & found.keys():
                return None
            found.update(part)
    return found


def pieces(text: str, cuts: list[int]) -> Iterator[list[Any]]:
    """The steps, piece by piece.

    Raises:
        Unparsable: a piece is no list by itself; the whole text may still be sound.
    """
    for start, end in itertools.pairwise(cuts):
        steps = whole_yaml(text[start:end])
        if not isinstance(steps, list):
            raise Unparsable("a piece is no list")
        yield steps


def whole_yaml(text: str) -> Any:
    """All of a YAML text as plain values.

    Raises:
        Unparsable: it is not YAML, or holds a key twice.
    """
    try:
        return ryaml_loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise Unparsable(str(error)) from None


def whole_json(text: str) -> Any:
    """All of a JSON text as plain values; fractions are `JsonNumber`.

    Raises:
        Unparsable: it is not JSON, or holds a key twice.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_mapping, parse_float=JsonNumber, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        words = f"not readable as JSON: {error.msg[0].lower()}{error.msg[1:]}"
        raise Unparsable(f"{words} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise Unparsable("nested too deep") from None
    except ValueError as error:
        raise Unparsable(str(error)) from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is there twice")
    return made


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
