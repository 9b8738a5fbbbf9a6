"""The result of the attempts: the change, and how its check ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.change.trees.trees import ChangeStat
    from workflows.tasks.agents.agent import AgentReport
    from workflows.tasks.git import Commit


@dataclass(frozen=True, slots=True)
class Evidence:
    """How the check command ended on `commit_id`. `last_lines` is redacted."""

    command: str
    commit_id: str
    exit_code: int
    seconds: float
    timed_out: bool
    last_lines: str
    sandbox: str

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0 in time."""
        return self.exit_code == 0 and not self.timed_out

    def facts(self) -> dict[str, object]:
        """The evidence as plain values, for the marker and the report."""
        return {
            "command": self.command,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "commit_id": self.commit_id,
            "timed_out": self.timed_out,
            "sandbox": self.sandbox,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that the policy allows, on the current branch of the clone; not pushed.

    `evidence` is None as long as nothing is checked. `left_out` names files that the agent wrote
    and that are not in the commit, with the rule. `ci_skip`: the push must not start a pipeline.
    """

    commit: Commit
    stat: ChangeStat
    paths: tuple[str, ...]
    tree: str
    attempts: int
    reports: tuple[AgentReport, ...]
    agent: str
    left_out: tuple[str, ...]
    ci_skip: bool
    evidence: Evidence | None = None

    @property
    def agent_s(self) -> float:
        """Seconds the agent took in all attempts."""
        return round(sum(report.duration_s for report in self.reports), 3)

    @property
    def check_s(self) -> float | None:
        """Seconds the last check took; None without one."""
        return round(self.evidence.seconds, 3) if self.evidence else None
