"""Uses a check that raises our errors as the validator of a pydantic field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from workflows.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def as_field_error(check: Callable[[str], T], value: object) -> T:
    """Run a check inside pydantic validation: our error becomes the field's message."""
    from pydantic_core import PydanticCustomError  # noqa: PLC0415 - this module stays light

    if not isinstance(value, str):
        raise PydanticCustomError("text_expected", "should be text")
    try:
        return check(value)
    except InputError as error:
        reason = f"{error.what}: {error.why} ({error.fix})" if error.fix else error.what
        raise PydanticCustomError("refused", "{reason}", {"reason": reason}) from None
