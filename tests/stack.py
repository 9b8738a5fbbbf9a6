"""The embedded stack for the GitLab flows: a project, people, a bot, and scripts as agents."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workflows.cli import catalog
from workflows.core.config.settings import load
from workflows.core.flow import FlowExecution, FlowOutcome
from workflows.core.progress import LogReporter
from workflows.local.gitlab_server.actions import editing
from workflows.local.gitlab_server.state.model import DEVELOPER, MAINTAINER, REPORTER

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.config.settings import Settings
    from workflows.local.gitlab_server.server import GitLabServer
    from workflows.local.gitlab_server.state.model import Issue, MergeRequest, Note, Project, User

BOT_TOKEN = "glpat-bot-5f1e2d9c8b7a"
FILES = {
    "README.md": "# Shop\n",
    "AGENTS.md": "Keep it simple.\n",
    "price.py": "def price() -> int:\n    return 0\n",
    "check.py": "import price\n\nassert price.price() == 7, price.price()\nprint('fine')\n",
}
CHECK = f"{sys.executable} check.py"
FIX = "write('price.py', 'def price() -> int:\\n    return 7\\n')"
_AGENT = """\
import os, pathlib, sys, time
prompt = sys.stdin.read()
def write(name, text):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
"""


@dataclass
class Stack:
    """`acme/shop`: mona is its Maintainer, dave a Developer, rita a Reporter, bot a Developer."""

    lab: GitLabServer
    url: str
    project: Project
    folder: Path
    people: dict[str, User]
    variables: dict[str, str] = field(default_factory=dict)

    def issue(self, title: str = "The price is 0", text: str = "It should be 7.") -> Issue:
        """A new issue by rita."""
        return editing.open_issue(self.lab, self.project, self.people["rita"], title, text)

    def agent(self, code: str = FIX) -> str:
        """An `agent_command` that runs these lines of Python; `write(name, text)` is there."""
        return shlex.join([sys.executable, "-c", _AGENT + textwrap.dedent(code)])

    def parameters(self, issue: Issue, **more: Any) -> dict[str, Any]:
        """Parameters of resolve_issue with a scripted agent; `code=` is what it does."""
        values: dict[str, Any] = {
            "project": self.project.path,
            "issue_iid": issue.iid,
            "agent_backend": "command",
            "check_command": CHECK,
        }
        code = more.pop("code", FIX)
        values["agent_command"] = more.pop("agent_command", None) or self.agent(code)
        return {k: v for k, v in (values | more).items() if v is not None}

    def flags(self, values: dict[str, Any]) -> list[str]:
        """Parameters as command-line flags."""
        return [
            f"--{name.replace('_', '-')}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in values.items()
        ]

    def run(
        self, workflow: str, values: dict[str, Any], *, run_id: str = "", settings: Settings
    ) -> FlowOutcome:
        """Run a flow in this process; whatever it raises is in the outcome."""
        flow = catalog.find(workflow)
        parameters = flow.validate(values, settings)
        execution = FlowExecution(
            flow, parameters, settings, LogReporter(), run_id or uuid.uuid4().hex[:8]
        )
        try:
            execution.run()
        except Exception as error:  # noqa: BLE001 - the outcome tells
            execution.refuse(error)
        assert execution.outcome is not None
        return execution.outcome

    def resolve(
        self, issue: Issue, *, settings: Settings | None = None, **more: Any
    ) -> FlowOutcome:
        """Run resolve_issue on the issue, in this process."""
        run_id = more.pop("run_id", "")
        values = self.parameters(issue, **more)
        chosen = settings or load()
        return self.run("resolve_issue", values, run_id=run_id, settings=chosen)

    def notes(self, issue: Issue) -> list[Note]:
        """The bot's notes on the issue."""
        with self.lab.lock:
            return [
                note
                for discussion in issue.discussions
                for note in discussion.notes
                if note.author is self.people["bot"] and not note.system
            ]

    def merge_requests(self) -> list[MergeRequest]:
        """All merge requests of the project."""
        with self.lab.lock:
            return list(self.project.merge_requests.values())

    def branches(self) -> dict[str, str]:
        """Branch name to commit id."""
        return self.project.repository.branches()


def people_of(lab: GitLabServer, project: Project) -> dict[str, User]:
    """Make the users and their memberships, and the bot's token."""
    people = {}
    levels = {"mona": MAINTAINER, "dave": DEVELOPER, "rita": REPORTER, "bot": DEVELOPER}
    for name, level in levels.items():
        people[name] = lab.find_user(name) or lab.create_user(name)
        lab.add_member(project, people[name], level)
    people["stranger"] = lab.find_user("stranger") or lab.create_user("stranger")
    return people
