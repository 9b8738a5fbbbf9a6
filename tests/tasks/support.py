"""What the agents' tests share: a clone with the demo's project, and small programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment
from workflows.tasks.agents.agent import Assignment

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.tasks.agents.agent import Agent, AgentReport

SHOP = {
    "shop.py": "def total(prices, discount=0.0):\n    return sum(prices) * discount\n",
    "test_shop.py": "import unittest\n\nfrom shop import total\n\n\n"
    "class TotalTest(unittest.TestCase):\n"
    "    def test_sum(self):\n        self.assertEqual(total([1, 2, 3]), 6)\n",
}


@dataclass
class Desk:
    """Where an agent works: a git working tree, a home, a log; and what it said."""

    root: Path
    lines: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.root / "clone"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def git(self, *args: str) -> str:
        """What git says in the working tree."""
        who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        env = environment.for_child({"GIT_CONFIG_GLOBAL": "/dev/null"}.items())
        return process.run(["git", *who, *args], env=env, cwd=self.folder, timeout_s=30).stdout

    def commit_all(self) -> None:
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "-m", "start")

    def program(self, name: str, text: str) -> Path:
        """An executable in the home, where every sandbox lets it be read."""
        path = self.home / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, text: str) -> list[str]:
        """The command that runs a few lines of Python."""
        return [sys.executable, "-c", text]

    def let(self, agent: Agent, prompt: str = "edit", timeout_s: float = 60) -> AgentReport:
        """Have the agent work here."""
        assignment = Assignment(self.folder, prompt, self.home, self.log, timeout_s)
        return agent.edit(assignment, self.lines.append)


def new_desk(root: Path, files: dict[str, str]) -> Desk:
    """A desk whose working tree holds the files; nothing is committed yet."""
    desk = Desk(root)
    desk.home.mkdir(parents=True)
    desk.folder.mkdir()
    for name, text in files.items():
        (desk.folder / name).write_text(text)
    desk.git("init", "--quiet", "--initial-branch=main")
    return desk
