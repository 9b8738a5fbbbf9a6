"""Field types that flows' parameter models share: checked once, at the door."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    create_model,
)
from pydantic_core import PydanticCustomError

from workflows.core.config.declare import Kind, Secret, Values
from workflows.core.errors import BranchRefused
from workflows.core.field_errors import as_field_error
from workflows.core.git.branch_names import check_branch_name

if TYPE_CHECKING:
    from workflows.core.config.declare import Declared

V = TypeVar("V", bound=Values)

PEOPLES_BRANCHES = frozenset({"main", "master", "develop"})
_IDENT_UNSAFE = re.compile(r"[<>\x00-\x1f\x7f]")


class FlowParameters(BaseModel):
    """Base of every flow's parameters: frozen, and unknown names are errors.

    Models are built when they are first used: a run needs one of them, not its bases too.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True
    )


def refuse_peoples_branch(name: str) -> str:
    """Return `name` unless it is one that people work on by convention.

    Raises:
        BranchRefused: `main`, `master` or `develop`, in any case.
    """
    if name.lower() in PEOPLES_BRANCHES:
        raise BranchRefused(
            f"{name!r} is not a branch a flow may write to",
            why="main, master, develop and the default branch belong to people",
            fix="choose another branch name",
        )
    return name


def _ident(text: str) -> str:
    if not text.strip(" .,:;\"'\\") or _IDENT_UNSAFE.search(text):
        raise PydanticCustomError("ident", "may not be empty or hold <, > or control characters")
    return text


BranchName = Annotated[str, BeforeValidator(lambda value: as_field_error(check_branch_name, value))]
NewBranchName = Annotated[
    BranchName, AfterValidator(lambda value: as_field_error(refuse_peoples_branch, value))
]
PersonName = Annotated[str, Field(max_length=200), AfterValidator(_ident)]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+$")]

_TYPES: dict[Kind, type] = {Kind.NUMBER: float, Kind.INTEGER: int, Kind.SWITCH: bool}


def parameters_model(values: type[Values], module: str) -> type[FlowParameters]:
    """The parameters of a flow whose options are declared as `Values`, under the same names."""
    fields: dict[str, Any] = {name: _field(one) for name, one in values.declared().items()}
    return create_model(
        "Parameters", __base__=FlowParameters, __module__=module, __doc__=values.__doc__, **fields
    )


def values_of(parameters: FlowParameters, values: type[V]) -> V:
    """The checked parameters of such a flow as the `Values` that they were declared by."""
    found = {name: getattr(parameters, name) for name in values.declared()}
    for name, one in values.declared().items():
        if isinstance(found[name], SecretStr):
            found[name] = Secret(found[name].get_secret_value())
        elif one.kind is Kind.CHOICE:
            found[name] = one.read(found[name])
    return values(**found)


def _field(one: Declared[Any]) -> tuple[Any, Any]:
    """A declared value as pydantic has it: the type, and the field with its limits."""
    kind: Any = _TYPES.get(one.kind, SecretStr if one.secret else str)
    default = ... if one.required else one.default
    if one.kind is Kind.LIST:
        kind = tuple[str, ...]
    elif one.kind is Kind.CHOICE:
        kind, default = Literal[tuple(choice.value for choice in one.choices)], one.default.value
    elif default is None:
        kind |= None
    other = AliasChoices(one.name, *one.other_names) if one.other_names else None
    return kind, Field(
        default,
        validation_alias=other,
        description=one.description,
        pattern=f"^(?:{one.pattern})$" if one.pattern else None,
        max_length=one.longest,
        ge=one.least,
        gt=one.above,
        le=one.most,
    )
