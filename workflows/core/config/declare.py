"""Values that can be set from outside, each declared once: kind, limits, default, description.

A class of declared values is a subclass of `Values`. `Settings` is one, read from environment
variables; `DagRunOptions` is another, read from flags. This module does not import pydantic,
because importing it is too slow for a short command.
"""

from __future__ import annotations

import json
import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

_YES = frozenset({"true", "yes", "on", "1", "t", "y"})
_NO = frozenset({"false", "no", "off", "0", "f", "n"})


class Kind(StrEnum):
    """What a declared value is; `list` is a tuple of texts."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    SWITCH = "switch"
    CHOICE = "choice"
    LIST = "list"
    OBJECT = "object"


class Secret:
    """A text that is not shown where the object is printed, logged or dumped."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Declared(Generic[T]):
    """One declared value. On the class it is this description, on an instance the value."""

    def __init__(  # noqa: PLR0913 - a declaration is a list of facts
        self,
        kind: Kind,
        default: Any,
        description: str,
        *,
        variable: str = "",
        required: bool = False,
        secret: bool = False,
        pattern: str | None = None,
        longest: int | None = None,
        choices: Sequence[Any] = (),
        least: float | None = None,
        above: float | None = None,
        most: float | None = None,
        unit: str = "",
        other_names: Sequence[str] = (),
    ) -> None:
        self.name = ""
        self.kind = kind
        self.default = default
        self.description = description
        self.variable = variable
        self.required = required
        self.secret = secret
        self.pattern = pattern
        self.longest = longest
        self.choices = tuple(choices)
        self.least, self.above, self.most, self.unit = least, above, most, unit
        self.other_names = tuple(other_names)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> Self | T:
        """The description; an instance has its values in `__dict__`, where Python looks first."""
        return self

    def read(self, given: str) -> T:
        """The value that a text stands for.

        Raises:
            ValueError: it stands for none. The message says what is expected and does not repeat
                the text, which may be a secret in the wrong place.
        """
        return cast("T", _READERS[self.kind](self, given))

    @property
    def expected(self) -> str:
        """`must be a number of seconds from 0 to 60`."""
        if self.kind is Kind.CHOICE:
            words = [f"`{choice}`" for choice in self.choices]
            return f"must be {', '.join(words[:-1])} or {words[-1]}"
        if self.kind is Kind.SWITCH:
            return "must be true or false"
        if self.kind is Kind.OBJECT:
            return "must be a JSON object"
        if self.kind in {Kind.NUMBER, Kind.INTEGER}:
            what = "a whole number" if self.kind is Kind.INTEGER else "a number"
            return f"must be {what}{f' of {self.unit}' if self.unit else ''}{self._range()}"
        length = f", at most {self.longest} characters" if self.longest else ""
        return f"must match the pattern {self.pattern}{length}"

    def _range(self) -> str:
        if self.above is not None:
            return f" above {self.above:g}" + (
                "" if self.most is None else f", at most {self.most:g}"
            )
        if self.least is not None and self.most is not None:
            return f" from {self.least:g} to {self.most:g}"
        return "" if self.least is None else f", at least {self.least:g}"

    def fits(self, value: float) -> bool:
        """Whether a number is within the limits; nan and infinity are not."""
        return (
            (isinstance(value, int) or math.isfinite(value))
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
        )


class Values:
    """Base of classes of declared values. An instance holds a value for each and does not change.

    Values are given by name, of the right type, and are not checked again.
    """

    __hash__ = None  # type: ignore[assignment] # a value may be a dict

    def __init__(self, **values: Any) -> None:
        declared = self.declared()
        if unknown := values.keys() - declared.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        for name, one in declared.items():
            if one.required and name not in values:
                raise TypeError(f"{type(self).__name__} needs {name}")
            self.__dict__[name] = values.get(name, one.default)

    @classmethod
    def declared(cls) -> Mapping[str, Declared[Any]]:
        """What is declared, by name, in the order of the declarations."""
        return {name: one for name, one in vars(cls).items() if isinstance(one, Declared)}

    @classmethod
    def read(
        cls, given: Mapping[str, Any], named: Callable[[Declared[Any]], str]
    ) -> tuple[dict[str, Any], list[str]]:
        """The values of what was given by name, and a line for each that is missing or wrong.

        A text is read; anything else is of the right type already. None counts as not given.
        `named` is how the line calls a declared value: its variable or its flag.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, one in cls.declared().items():
            found = given.get(name)
            if found is None:
                problems += [f"{named(one)}: missing"] if one.required else []
                continue
            try:
                values[name] = one.read(found) if isinstance(found, str) else found
            except ValueError as error:
                problems.append(f"{named(one)}: {error}")
        return values, problems

    def changed(self, **values: Any) -> Self:
        """A copy in which these have other values."""
        return type(self)(**(self.__dict__ | values))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} does not change: {name}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"


def _text(one: Declared[Any], given: str) -> str | Secret:
    if one.pattern is not None and re.fullmatch(one.pattern, given) is None:
        raise ValueError(one.expected)
    if one.longest is not None and len(given) > one.longest:
        raise ValueError(one.expected)
    return Secret(given) if one.secret else given


def _number(one: Declared[Any], given: str) -> float:
    try:
        value = int(given) if one.kind is Kind.INTEGER else float(given)
    except ValueError:
        raise ValueError(one.expected) from None
    if not one.fits(value):
        raise ValueError(one.expected)
    return value


def _switch(one: Declared[Any], given: str) -> bool:
    word = given.strip().lower()
    if word not in _YES | _NO:
        raise ValueError(one.expected)
    return word in _YES


def _choice(one: Declared[Any], given: str) -> Any:
    for known in one.choices:
        if known in {given, given.upper()}:  # LOG_LEVEL=debug is DEBUG
            return known
    raise ValueError(one.expected)


def _list(one: Declared[Any], given: str) -> tuple[str | Secret, ...]:
    return tuple(Secret(word) if one.secret else word for word in given.split())


def _object(one: Declared[Any], given: str) -> dict[str, Any]:
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise ValueError(one.expected)


_READERS = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.INTEGER: _number,
    Kind.SWITCH: _switch,
    Kind.CHOICE: _choice,
    Kind.LIST: _list,
    Kind.OBJECT: _object,
}


def text(default: D, description: str, **facts: Any) -> Declared[str | D]:
    """Text; `pattern` is the whole of it as a regular expression, `longest` its characters."""
    return Declared(Kind.TEXT, default, description, **facts)


def required_text(description: str, **facts: Any) -> Declared[str]:
    """Text without which there is no instance."""
    return Declared(Kind.TEXT, None, description, required=True, **facts)


def secret_text(description: str, **facts: Any) -> Declared[Secret | None]:
    """A secret text, not set by default."""
    return Declared(Kind.TEXT, None, description, secret=True, **facts)


def number(default: D, description: str, **facts: Any) -> Declared[float | D]:
    """A number from `least` (or more than `above`) to `most`, counted in `unit`."""
    return Declared(Kind.NUMBER, default, description, **facts)


def integer(default: D, description: str, **facts: Any) -> Declared[int | D]:
    """A whole number with the same limits."""
    return Declared(Kind.INTEGER, default, description, **facts)


def switch(description: str, **facts: Any) -> Declared[bool]:
    """True or false; false by default."""
    return Declared(Kind.SWITCH, False, description, **facts)  # noqa: FBT003 - the default


def choice(default: E, description: str, **facts: Any) -> Declared[E]:
    """One value of an enumeration, whose default this is."""
    return Declared(Kind.CHOICE, default, description, choices=tuple(type(default)), **facts)


def words(description: str, **facts: Any) -> Declared[tuple[str, ...]]:
    """Texts; as one text they are separated by white space."""
    return Declared(Kind.LIST, (), description, **facts)


def secret_words(description: str, **facts: Any) -> Declared[tuple[Secret, ...]]:
    """The same, of secret texts."""
    return Declared(Kind.LIST, (), description, secret=True, **facts)


def json_object(description: str, **facts: Any) -> Declared[dict[str, Any]]:
    """An object, given as JSON; empty by default."""
    return Declared(Kind.OBJECT, {}, description, **facts)


def shown_value(value: object) -> str:
    """A default for people: `none` and `false` in lower case, else as it is."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
