"""The backend for any command: the prompt is its standard input, the folder its working folder."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from workflows.core.config.settings import PROVIDERS
from workflows.core.errors import ParametersInvalid
from workflows.core.sandbox.run import UntrustedProgram, run_in_sandbox
from workflows.tasks.agents.agent import AgentReport
from workflows.tasks.agents.environment import agent_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workflows.core.config.settings import Settings
    from workflows.tasks.agents.agent import Assignment


class CommandAgent:
    """A program that reads a prompt and edits files; satisfies `tasks.agents.agent.Agent`.

    It sees no variable of ours but PATH and the like, and the model variables of `provider` if
    one is given. Holds nothing between two runs.
    """

    def __init__(
        self, command: Sequence[str], settings: Settings, *, provider: str | None = None
    ) -> None:
        """Choose the program with its arguments, and whose model key it gets.

        Raises:
            ParametersInvalid: the command is empty, or there is no such provider.
        """
        if not command or not command[0]:
            raise ParametersInvalid("the agent's command is empty", fix="name a program")
        if provider is not None and provider not in PROVIDERS:
            raise ParametersInvalid(
                f"{provider!r} is no model provider", fix=f"one of {', '.join(PROVIDERS)}"
            )
        self._command = tuple(command)
        self._settings = settings
        self._provider = provider

    @property
    def name(self) -> str:
        """The program's file name."""
        return PurePath(self._command[0]).name

    def edit(self, assignment: Assignment, on_line: Callable[[str], None]) -> AgentReport:
        """Run the program to its end in `assignment.folder`; see `tasks.agents.agent.Agent`.

        It need not read its prompt. The report has no tokens and no cost.

        Raises:
            ProgramMissing: there is no such program.
        """
        program = UntrustedProgram(
            args=self._command,
            env=agent_environment(self._settings, assignment.home, provider=self._provider),
            cwd=assignment.folder,
            home=assignment.home,
            log=assignment.log,
            timeout_s=assignment.timeout_s,
            hidden=assignment.hidden,
            stdin=assignment.prompt.encode(errors="replace"),
        )
        ended = run_in_sandbox(program, self._settings.sandbox, on_line)
        return AgentReport(
            exit_code=ended.exit_code,
            timed_out=ended.timed_out,
            duration_s=ended.duration_s,
            last_lines=ended.last_lines,
            sandbox=ended.sandbox,
        )
