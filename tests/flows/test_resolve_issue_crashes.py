"""resolve_issue killed at any moment, and delivered many times at once: one of each in the end."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.test_resolve_issue_faults import one_of_each
from tests.forked import ForkedCli
from tests.support import last_json
from workflows.local.gitlab_server.server import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.forked import ForkedRun
    from tests.stack import Stack
    from workflows.local.gitlab_server.state.model import Issue


def now() -> str:
    return datetime.now(UTC).isoformat()


class KillAt(Fault):
    """`kill -9` to the flow when its request number `skip` (from 0) arrives at GitLab.

    With `drop` only requests that write count, and the one that kills is not carried out.
    """

    pid = 0

    def takes(self, method: str, target: str) -> bool:
        """Kill, and let the request be carried out unless `drop`."""
        if self.times <= 0 or (self.drop and method not in {"POST", "PUT", "DELETE"}):
            return False
        self.skip -= 1
        if self.skip >= 0:
            return False
        self.times = 0
        os.kill(self.pid, signal.SIGKILL)
        return self.drop


def start(
    stack: Stack, issue: Issue, asked: str, folder: Path, lease_s: float = 1, **more: Any
) -> ForkedRun:
    """The command as a process of its own; `more` are parameters of resolve_issue."""
    env = {"WORKFLOWS_LEASE_S": str(lease_s), "WORKFLOWS_SANDBOX": "off"}
    flags = stack.flags(stack.parameters(issue, asked_at=asked, **more))
    command = ForkedCli(folder, stack.variables | env)
    return command.start("run", "resolve_issue", "--json", "--quiet", *flags)


def killed_at(stack: Stack, at: int, folder: Path, *, drop: bool) -> bool:
    """Kill a run at one request, deliver it again; False if it makes no such request."""
    issue = stack.issue(f"Killed at {at}")
    asked = now()
    rule = KillAt(skip=at, drop=drop)
    with stack.lab.lock:  # no request is answered before the rule knows whom to kill
        child = start(stack, issue, asked, folder)
        rule.pid = child.pid
        stack.lab.fault_rules[:] = [rule]
    first = child.finish()
    stack.lab.fault_rules.clear()
    if rule.times:
        assert first.exit_code == 0, first.stderr
        return False
    assert first.exit_code == -signal.SIGKILL
    again = start(stack, issue, asked, folder).finish()
    assert again.exit_code == 0, (at, again.stderr)
    one_of_each(stack, issue)
    return True


def test_killed_at_any_request_and_delivered_again(stack: Stack, tmp_path: Path) -> None:
    """The request is carried out, its answer never heard."""
    at = 0
    while killed_at(stack, at, tmp_path, drop=False):
        at += 1
    assert at > 15  # it really makes that many


def test_killed_before_any_writing_request(stack: Stack, tmp_path: Path) -> None:
    """The request is not carried out: branch, note, push, merge request, last note."""
    at = 0
    while killed_at(stack, at, tmp_path, drop=True):
        at += 1
    assert at >= 6  # claim, stages, branch, push, merge request, last note


@pytest.mark.parametrize("when", ["agent", "check"])
def test_killed_while_a_program_of_others_works(stack: Stack, tmp_path: Path, when: str) -> None:
    """Between requests, in the middle of the agent or the check: nothing is doubled."""
    issue = stack.issue()
    asked = now()
    file = stack.folder / "pid"
    kill = f"import os, pathlib, signal; pid = int(pathlib.Path({str(file)!r}).read_text())"
    kill += "; os.kill(pid, signal.SIGKILL)"
    check = shlex.join([sys.executable, "-c", kill])
    more: dict[str, Any] = {"code": kill} if when == "agent" else {"check_command": check}
    with stack.lab.lock:  # no request is answered before the program knows whom to kill
        child = start(stack, issue, asked, tmp_path, **more)
        file.write_text(str(child.pid))
    assert child.finish().exit_code == -signal.SIGKILL

    again = start(stack, issue, asked, tmp_path).finish()

    assert again.exit_code == 0, again.stderr
    one_of_each(stack, issue)


def test_a_stopped_run_says_so_and_is_gone_on_with_at_once(stack: Stack, tmp_path: Path) -> None:
    """SIGTERM during the agent: the note says interrupted, the next run does not wait a lease."""
    issue = stack.issue()
    asked = now()
    ready = stack.folder / "ready"
    code = f"pathlib.Path({str(ready)!r}).write_text('x')\ntime.sleep(60)"
    child = start(stack, issue, asked, tmp_path, 600, code=code)
    while not ready.exists():
        assert not child.ended(), child.finish()
        time.sleep(0.01)
    child.terminate()

    assert child.finish().exit_code == 143
    assert "was interrupted" in stack.notes(issue)[0].body
    again = start(stack, issue, asked, tmp_path, 600).finish()
    assert again.exit_code == 0, again.stderr
    one_of_each(stack, issue)


def test_fifty_deliveries_for_ten_issues_at_once_make_ten_merge_requests(
    stack: Stack, tmp_path: Path
) -> None:
    issues = [stack.issue(f"Issue number {n}") for n in range(10)]
    asked = now()
    children = [
        (issue, start(stack, issue, asked, tmp_path, 30)) for _ in range(5) for issue in issues
    ]

    ends = [(issue, child.finish()) for issue, child in children]

    for issue, done in ends:
        assert done.exit_code == 0, (issue.iid, done.stderr)
    for issue in issues:
        one_of_each(stack, issue)
    outcomes = Counter(last_json(done)["result"]["outcome"] for _, done in ends)
    assert len(stack.merge_requests()) == 10
    assert outcomes["merge_request"] >= 10
    assert set(outcomes) <= {"merge_request", "already_done", "running_elsewhere"}, outcomes
