"""The Protocol of a coding agent: it edits files in a folder, and does nothing else.

Its work is read from the folder. Its output and exit code are only shown to people.
It gets no credential but its model key. The backends are `pluscoder` and `command` beside this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Assignment:
    """One piece of work: edit `folder` (a git working tree) as `prompt` asks.

    `home` is an existing folder, the agent's HOME. Its output is appended to the file `log`.
    After `timeout_s` seconds it is ended with all it started. `hidden` are folders it must not
    see, where the sandbox can do that.
    """

    folder: Path
    prompt: str
    home: Path
    log: Path
    timeout_s: float
    hidden: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentReport:
    """How an agent ended.

    `exit_code` is not 0 if the agent reported a failure, also if its process ended with 0.
    `last_lines` is the end of its output, redacted. `tokens_in`, `tokens_out` and `cost_usd` are
    what it reported, None if it reports none. `sandbox` is "bubblewrap" or "process group".
    """

    exit_code: int
    timed_out: bool
    duration_s: float
    last_lines: str
    sandbox: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


class Agent(Protocol):
    """A backend. `name` is what people and merge requests call it, such as `PlusCoder 0.1.4rc0`."""

    @property
    def name(self) -> str:
        """Program and version."""
        ...

    def edit(self, assignment: Assignment, on_line: Callable[[str], None]) -> AgentReport:
        """Run to the end; `on_line` gets each line of output, redacted, for live progress.

        Raises:
            ProgramMissing: the agent is not installed.
            AgentFailed: it cannot be started as asked (no key, no sandbox).
        """
        ...
