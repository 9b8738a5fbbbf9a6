"""The parameters of every flow that lets an agent change a repository."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.core.config.settings import PROVIDERS
from workflows.core.parameters import FlowParameters


class Backend(StrEnum):
    """Which program edits."""

    PLUSCODER = "pluscoder"
    COMMAND = "command"


class PushFailing(StrEnum):
    """What happens to a change whose checks still fail after the last attempt."""

    NEVER = "never"
    DRAFT = "draft"


def _command(text: str) -> str:
    """Return `text` if it can be split into words as a shell would."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise PydanticCustomError(
            "command", "cannot be split into words: {why}", {"why": str(error)}
        ) from None
    return text


def _provider(name: str) -> str:
    if name not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        raise PydanticCustomError("provider", "is not one of {known}", {"known": known})
    return name


Command = Annotated[str, AfterValidator(_command)]
Word = Annotated[str, Field(pattern=r"^[\w./:@-]*$", max_length=200)]


class ChangeOptions(FlowParameters):
    """How the change is made and checked."""

    agent_backend: Backend = Field(
        Backend.PLUSCODER, description="Which agent edits: `pluscoder`, or `command` (any program)."
    )
    agent: Word = Field("developer", description="PlusCoder's agent, such as `developer`.")
    model: Word = Field("gpt-4o", description="Model the agent uses.")
    provider: Annotated[str, AfterValidator(_provider)] = Field(
        "openai", description=f"Who serves the model: {', '.join(PROVIDERS)}."
    )
    extra_flags: tuple[str, ...] = Field(
        (), description="More flags for the agent's program, one each."
    )
    agent_command: Command = Field(
        "",
        description="The program for `--agent-backend command`: gets the request on stdin and "
        "edits its working directory. Split into words; no shell.",
    )
    check_command: Command = Field(
        "",
        description="The project's tests, run on a clean checkout of the commit before anything "
        "is pushed. Split into words; no shell (`sh -c '…'` is one).",
    )
    max_attempts: int = Field(
        3, ge=1, le=10, description="How often the agent may try until the checks pass."
    )
    timeout_s: float = Field(
        3_600,
        gt=0,
        le=86_400,
        description="Longest time all attempts and checks may take together, in seconds.",
    )
    push_failing: PushFailing = Field(
        PushFailing.NEVER,
        description="What to do when the checks still fail: `never` push, or push as `draft`.",
    )

    @model_validator(mode="after")
    def _has_command(self) -> ChangeOptions:
        if (self.agent_backend is Backend.COMMAND) != bool(self.agent_command):
            raise PydanticCustomError(
                "agent_command", "agent_command and agent_backend=command go together"
            )
        return self
