"""Single values of a DAG file: how messages describe them, and what they mean."""

from __future__ import annotations

import math
from typing import Any

from workflows.dag.file import fields
from workflows.dag.file.parse import JsonNumber

_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    JsonNumber: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
    type(None): "nothing",
}


def kind_of_value(value: Any) -> str:
    """What a value is, for people; scalars with their value."""
    name = _KINDS.get(type(value), type(value).__name__)
    if isinstance(value, str) and not isinstance(value, JsonNumber):
        return f"{name} ({short(value)})"
    return f"{name} ({spelt(value)[:40]})" if is_plain(value) else name


only_texts = frozenset({str}).issuperset
"""Whether these types are all `str`; a `JsonNumber` is not."""


def quotes(value: Any) -> str:
    """The advice for a number or boolean where a text is wanted."""
    return "put it in quotes to make it a text" if is_plain(value) else ""


def short(text: str) -> str:
    """A text for messages: quoted, and cut after 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:57]}…")  # noqa: PLR2004


def is_plain(value: Any) -> bool:
    """Whether this is a number or a boolean."""
    return type(value) in (int, bool, float, JsonNumber)


def is_huge(value: Any) -> bool:
    """Whether this is a whole number of more than 64 bits, which the YAML parser refuses."""
    return type(value) is int and not -(2**63) <= value < 2**64


def spelt(value: Any) -> str:
    """A number or boolean as YAML and JSON write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def finite(value: Any) -> float | None:
    """The number, unless it is infinite or none at all."""
    number = float(value)
    return number if math.isfinite(number) else None


def seconds(value: Any) -> float | None:
    """A duration in seconds: a number of them, or a text such as `90s`; None if it is neither."""
    if type(value) in (int, float, JsonNumber):
        return finite(value) if abs(float(value)) < fields.MAX_TIMEOUT_S * 2 else None
    found = fields.DURATION_PATTERN.fullmatch(value) if type(value) is str else None
    return float(found[1]) * fields.UNIT_S[found[2]] if found else None
