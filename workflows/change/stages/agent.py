"""The agent that the options name."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from workflows.change.options import Backend

if TYPE_CHECKING:
    from workflows.change.options import ChangeOptions
    from workflows.core.config.settings import Settings
    from workflows.tasks.agents.agent import Agent


def choose_agent(options: ChangeOptions, settings: Settings) -> Agent:
    """The agent, ready to edit.

    Raises:
        InputError: flags it does not know, or that would undo what keeps it safe.
    """
    if options.agent_backend is Backend.COMMAND:
        from workflows.tasks.agents.command import CommandAgent

        return CommandAgent(
            [*shlex.split(options.agent_command), *options.extra_flags],
            settings,
            provider=options.provider,
        )
    from workflows.tasks.agents.pluscoder.backend import PlusCoder

    return PlusCoder(
        settings,
        agent=options.agent,
        model=options.model,
        provider=options.provider,
        extra_flags=options.extra_flags,
    )
