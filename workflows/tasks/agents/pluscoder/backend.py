"""The backend for PlusCoder, which is a separate program with an environment of its own.

Its exit code is 0 also if it failed, so only the tree shows what it did.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config.settings import PROVIDERS
from workflows.core.errors import AgentFailed, ParametersInvalid, ProgramMissing
from workflows.core.sandbox.run import UntrustedProgram, run_in_sandbox
from workflows.tasks.agents.agent import AgentReport
from workflows.tasks.agents.environment import agent_environment
from workflows.tasks.agents.pluscoder import flags, install, settings_file
from workflows.tasks.agents.pluscoder.clone_settings import LEFT_BEHIND, without_clone_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workflows.core.config.settings import Settings
    from workflows.tasks.agents.agent import Assignment

__all__ = ["LEFT_BEHIND", "PlusCoder"]

_HELP_TIMEOUT_S = 60
# Non-interactive and quiet; no look-up of prices or settings on the network or above its folder.
_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
    "PYTHONWARNINGS": "ignore",
}
# Lines of its output that mean a failure although its exit code is 0.
_COMPLAINTS = (
    "An error occurred",
    "An error ocurred when calling model",
    "Maximum deflections reached",
    "Error: Invalid agent",
)


class PlusCoder:
    """The default backend; satisfies `tasks.agents.agent.Agent`. Holds nothing between two runs."""

    def __init__(
        self,
        settings: Settings,
        *,
        agent: str = "developer",
        model: str = "gpt-4o",
        provider: str = "openai",
        extra_flags: Sequence[str] = (),
    ) -> None:
        """Choose PlusCoder's agent, its model and further flags (`--name` or `--name=value`).

        Raises:
            ParametersInvalid: no such provider, or a flag that is not the operator's to set.
        """
        if provider not in PROVIDERS:
            raise ParametersInvalid(
                f"{provider!r} is no model provider", fix=f"one of {', '.join(PROVIDERS)}"
            )
        flags.check_extra_flags(extra_flags)
        self._settings = settings
        self._agent = agent
        self._model = model
        self._provider = provider
        self._extra = tuple(extra_flags)

    @property
    def name(self) -> str:
        """`PlusCoder 0.1.4rc0`, or without the version if that cannot be found."""
        try:
            venv = self.program().resolve().parent.parent
        except ProgramMissing:
            return "PlusCoder"
        for found in venv.glob("lib/python*/site-packages/pluscoder-*.dist-info"):
            return f"PlusCoder {found.name.removeprefix('pluscoder-').removesuffix('.dist-info')}"
        return "PlusCoder"

    def program(self) -> Path:
        """The one of the settings, else the one that `install` made, else the one on PATH.

        Raises:
            ProgramMissing: there is none.
        """
        own = install.default_folder()
        if self._settings.pluscoder:
            found = shutil.which(self._settings.pluscoder)
        elif install.is_installed(own):
            found = shutil.which(str(own / "bin" / "pluscoder"))
        else:
            found = shutil.which("pluscoder")
        if not found:
            raise ProgramMissing(
                "PlusCoder is not installed",
                why=f"no such executable: {self._settings.pluscoder or 'pluscoder'}",
                fix=f"run `{install.COMMAND}` (about {install.SIZE}), or name the program in"
                " WORKFLOWS_PLUSCODER",
            )
        return Path(found)

    def edit(self, assignment: Assignment, on_line: Callable[[str], None]) -> AgentReport:
        """Run PlusCoder to its end in `assignment.folder`; see `tasks.agents.agent.Agent`.

        The clone's own settings for PlusCoder are moved away meanwhile; the files that PlusCoder
        leaves (`LEFT_BEHIND`) are moved to `left-behind` in the home. The report has no tokens and
        no cost, because PlusCoder prints them only on a terminal.

        Raises:
            ProgramMissing: it is not installed.
            AgentFailed: no key for the provider, or it would read somebody's `.env`.
            ParametersInvalid: a flag it does not have; an empty prompt or one above 2 MB.
        """
        program = self.program()
        env = self._environment(program, assignment.home)
        arguments = flags.command_line(self._agent, self._provider, self._model, self._extra)
        if self._extra:
            flags.check_known_flags(self._extra, help_text(program, env, assignment.home))
        complaints: list[str] = []

        def listen(line: str) -> None:
            if any(complaint in line for complaint in _COMPLAINTS):
                complaints.append(line.strip())
            on_line(line)

        with without_clone_settings(assignment.folder, assignment.home / "left-behind"):
            settings_file.write_settings(assignment.home, assignment.folder, assignment.prompt)
            untrusted = UntrustedProgram(
                args=[str(program), *arguments],
                env=env,
                cwd=assignment.folder,
                home=assignment.home,
                log=assignment.log,
                timeout_s=assignment.timeout_s,
                hidden=assignment.hidden,
            )
            ended = run_in_sandbox(untrusted, self._settings.sandbox, listen)
        last_lines = ended.last_lines
        if complaints and ended.exit_code == 0:
            last_lines += f"\n(exit code 0, yet it failed: {complaints[-1]})"
        return AgentReport(
            exit_code=ended.exit_code or (1 if complaints else 0),
            timed_out=ended.timed_out,
            duration_s=ended.duration_s,
            last_lines=last_lines,
            sandbox=ended.sandbox,
        )

    def _environment(self, program: Path, agent_home: Path) -> dict[str, str]:
        env = agent_environment(self._settings, agent_home, provider=self._provider) | _QUIET
        missing = [
            name for name in self._settings.key_variables(self._provider) if not env.get(name)
        ]
        if missing:
            raise AgentFailed(
                f"there is no key for the model provider {self._provider}",
                why=f"not set: {', '.join(missing)}",
                fix=f"set {' and '.join(missing)}, or choose another provider",
            )
        venv = program.resolve().parent.parent
        _refuse_dotenv(venv)
        for tables in (venv / "tiktoken-cache", install.default_folder() / "tiktoken-cache"):
            if tables.is_dir():
                env |= {"TIKTOKEN_CACHE_DIR": str(tables), "CUSTOM_TIKTOKEN_CACHE_DIR": str(tables)}
                break
        return env


def help_text(program: Path, env: dict[str, str], folder: Path) -> str:
    """What `--help` of this PlusCoder prints; `folder` is one without settings for it."""
    args = [str(program), "--help"]
    done = process.run(args, env=env, cwd=folder, timeout_s=_HELP_TIMEOUT_S, check=False)
    return done.stdout


def _refuse_dotenv(venv: Path) -> None:
    """PlusCoder loads the nearest `.env` above its own files into its environment.

    The installation has an empty one; any other may hold tokens.

    Raises:
        AgentFailed: the nearest one is not empty.
    """
    for folder in (venv, *venv.parents):
        found = folder / ".env"
        if found.is_file():
            if found.stat().st_size:
                raise AgentFailed(
                    "PlusCoder would read a .env file that is not its own",
                    why=f"it loads the nearest one above its program: {found}",
                    fix=f"put an empty file {venv / '.env'} there",
                )
            return
