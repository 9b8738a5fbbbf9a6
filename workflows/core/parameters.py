"""Field types that flows' parameter models share: checked once, at the door."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from workflows.core.errors import BranchRefused
from workflows.core.field_errors import as_field_error
from workflows.core.git.branch_names import check_branch_name

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
