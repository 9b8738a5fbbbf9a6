"""The field types that flows share."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from workflows.core.errors import BranchRefused
from workflows.core.parameters import (
    BranchName,
    Email,
    FlowParameters,
    NewBranchName,
    PersonName,
    refuse_peoples_branch,
)


class Person(FlowParameters):
    """A name and an address."""

    name: PersonName = "Ada"
    email: Email = "ada@example.com"


class Branches(FlowParameters):
    """A branch to read and one to write."""

    base: BranchName = "main"
    new: NewBranchName = "feature/login"


@pytest.mark.parametrize(
    "name", ["Ada", "Ada Lovelace", "Ñandú Ω", "李小龍", "O'Brien, Jr.", "workflows-bot", "x" * 200]
)
def test_a_persons_name_comes_back(name: str) -> None:
    """Names in any script are accepted as they are."""
    assert Person(name=name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "...", "'\"", ".,:;", "Ada <ada@example.com>", "a\nb", "a\0b", "a\x7fb", "x" * 201],
)
def test_a_name_that_git_would_drop_or_misread_is_refused(name: str) -> None:
    """A name that git strips to nothing, or that could forge a line of a commit, is refused."""
    with pytest.raises(ValidationError) as caught:
        Person(name=name)

    assert [e["loc"] for e in caught.value.errors()] == [("name",)]


@pytest.mark.parametrize("email", ["ada@example.com", "a+b@x", "1@[127.0.0.1]", "é@é.example"])
def test_an_address_comes_back(email: str) -> None:
    """What git takes as an address is accepted, a full mail grammar is not asked for."""
    assert Person(email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a@b@c",
        "a b@c",
        "<a@b>",
        "a@b\nc",
        "a\0@b",
        "x" * 254 + "@b",
    ],
)
def test_an_address_that_is_none_is_refused(email: str) -> None:
    """A text without one `@` between two parts, or with blanks or brackets, is refused."""
    with pytest.raises(ValidationError) as caught:
        Person(email=email)

    assert [e["loc"] for e in caught.value.errors()] == [("email",)]


@pytest.mark.parametrize("name", ["main", "master", "develop", "MAIN", "Develop"])
def test_a_flow_does_not_write_to_peoples_branches(name: str) -> None:
    """The branches that people work on may be read but not written."""
    assert Branches(base=name).base == name
    with pytest.raises(ValidationError, match="belong to people"):
        Branches(new=name)
    with pytest.raises(BranchRefused):
        refuse_peoples_branch(name)


@pytest.mark.parametrize("name", ["main2", "feature/main", "mainline", "dev"])
def test_other_branches_may_be_written(name: str) -> None:
    """Only the whole name counts."""
    assert Branches(new=name).new == name
    assert refuse_peoples_branch(name) == name


@pytest.mark.parametrize("value", ["a..b", "-x", "refs/heads/x", "", None, 7])
def test_a_bad_branch_name_is_a_finding_of_its_field(value: object) -> None:
    """A name that git refuses, or that is no text, is found in both kinds of field."""
    with pytest.raises(ValidationError) as caught:
        Branches.model_validate({"base": value, "new": value})

    assert [e["loc"] for e in caught.value.errors()] == [("base",), ("new",)]


def test_blanks_around_a_value_are_dropped() -> None:
    """Blanks around a name and an address are not part of them."""
    assert Person(name=" Ada ", email=" ada@example.com ") == Person()


def test_unknown_parameters_are_errors_and_known_ones_do_not_change() -> None:
    """Parameters are frozen, and a name that does not exist is refused."""
    with pytest.raises(ValidationError, match="extra"):
        Person.model_validate({"nmae": "Ada"})
    with pytest.raises(ValidationError, match="frozen"):
        Person().name = "Bob"  # type: ignore[misc] # what is refused here is refused to mypy too
