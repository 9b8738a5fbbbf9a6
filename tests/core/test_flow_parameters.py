"""What a flow is asked for: checked, with every problem named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from tests.core.flows import SECRET, Greeting, flow
from workflows.core.config.settings import load
from workflows.core.errors import (
    ParametersInvalid,
)


def problems(values: dict[str, Any], *found_before: str) -> list[str]:
    """The lines about parameters that are refused."""
    with pytest.raises(ParametersInvalid) as caught:
        flow().validate(values, load(), found_before)
    assert caught.value.exit_code == 2
    assert "workflows describe greet" in caught.value.fix
    return caught.value.why.splitlines()


def test_good_parameters_come_back_as_the_model() -> None:
    """Parameters by name, as text from flags too, become the flow's model."""
    parameters = flow().validate({"name": "Ada", "times": "2"}, load())

    assert parameters == Greeting(name="Ada", times=2)
    assert isinstance(parameters, BaseModel)


def test_every_problem_is_named_at_once() -> None:
    """Missing, unknown and wrong parameters, and what was found before, have a line each."""
    found = problems({"tims": 1, "times": "x", "zzz": 1, "git_url": "/srv/x"}, "--foo: unknown")

    assert found[0] == "--foo: unknown"
    assert {line.partition(":")[0] for line in found[1:]} == {
        "name", "tims", "times", "zzz", "git_url",
    }  # fmt: skip
    assert "name: missing" in found
    assert "tims: unknown, did you mean times?" in found
    assert "zzz: unknown" in found
    assert len(found) == 6


def test_a_problem_found_before_is_enough() -> None:
    """Good parameters do not make up for a flag that does not exist."""
    assert problems({"name": "Ada"}, "--foo: unknown") == ["--foo: unknown"]


def test_a_refused_parameter_does_not_repeat_a_credential() -> None:
    """The line about a URL that is refused shows it without its credential."""
    (line,) = problems({"name": "Ada", "git_url": f"https://me:{SECRET}@h.example/"})

    assert line.startswith("git_url: ")
    assert SECRET not in line


def test_local_repositories_are_a_setting() -> None:
    """A path is refused by default, and accepted where the settings say so."""
    values = {"name": "Ada", "git_url": "/srv/git/shop.git"}
    assert "WORKFLOWS_ALLOW_LOCAL_REPOSITORIES" in problems(values)[0]

    parameters = flow().validate(values, load(allow_local_repositories=True))

    assert isinstance(parameters, Greeting)
    assert parameters.git_url is not None
    assert parameters.git_url.name == "shop"
