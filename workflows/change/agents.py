"""Which agent edits: the backend of the options."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from workflows.change.options import Backend
from workflows.tasks.agents import CommandAgent
from workflows.tasks.pluscoder import PlusCoder

if TYPE_CHECKING:
    from workflows.change.options import ChangeOptions
    from workflows.core.agent import Agent
    from workflows.core.settings import Settings


def choose(options: ChangeOptions, settings: Settings) -> Agent:
    """The agent, ready to edit.

    Raises:
        InputError: flags it does not know, or that would undo what keeps it safe.
    """
    if options.agent_backend is Backend.COMMAND:
        return CommandAgent(
            [*shlex.split(options.agent_command), *options.extra_flags],
            settings,
            provider=options.provider,
        )
    return PlusCoder(
        settings,
        agent=options.agent,
        model=options.model,
        provider=options.provider,
        extra_flags=options.extra_flags,
    )
