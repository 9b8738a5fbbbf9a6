"""resolve_issue killed at any moment, and delivered many times at once: one of each in the end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.flows.test_resolve_issue_faults import one_of_each
from tests.support import Cli, last_json
from workflows.core import process
from workflows.local.gitlab_server.server import Fault

if TYPE_CHECKING:
    from pathlib import Path

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
    stack: Stack, issue: Issue, asked: str, folder: Path, **env: str
) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    flags = stack.flags(stack.parameters(issue, asked_at=asked))
    command = Cli(
        folder, stack.variables | {"WORKFLOWS_LEASE_S": "1", "WORKFLOWS_SANDBOX": "off"} | env
    )
    return subprocess.Popen(
        [sys.executable, "-m", "workflows", "run", "resolve_issue", "--json", "--quiet", *flags],
        env=command.environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(child: subprocess.Popen[str]) -> process.Completed:
    out, err = child.communicate(timeout=120)
    return process.Completed((), child.returncode, out, err, 0.0, truncated=False)


def killed_at(stack: Stack, at: int, folder: Path, *, drop: bool) -> bool:
    """Kill a run at one request, deliver it again; False if it makes no such request."""
    issue = stack.issue(f"Killed at {at}")
    asked = now()
    rule = KillAt(skip=at, drop=drop)
    with stack.lab.lock:  # no request is answered before the rule knows whom to kill
        child = start(stack, issue, asked, folder)
        rule.pid = child.pid
        stack.lab.fault_rules[:] = [rule]
    first = finish(child)
    stack.lab.fault_rules.clear()
    if rule.times:
        assert first.exit_code == 0, first.stderr
        return False
    assert first.exit_code == -signal.SIGKILL
    again = finish(start(stack, issue, asked, folder))
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
    more = {"code": kill} if when == "agent" else {"check_command": check}
    values = stack.parameters(issue, asked_at=asked, **more)
    env = Cli(
        tmp_path, stack.variables | {"WORKFLOWS_LEASE_S": "1", "WORKFLOWS_SANDBOX": "off"}
    ).environment({})
    flags = stack.flags(values)
    child = subprocess.Popen(
        [
            "sh",
            "-c",
            f'echo $$ >{file}; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "workflows",
            "run",
            "resolve_issue",
            "--json",
            "--quiet",
            *flags,
        ],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert finish(child).exit_code == -signal.SIGKILL

    again = finish(start(stack, issue, asked, tmp_path))

    assert again.exit_code == 0, again.stderr
    one_of_each(stack, issue)


def test_a_stopped_run_says_so_and_is_gone_on_with_at_once(stack: Stack, tmp_path: Path) -> None:
    """SIGTERM during the agent: the note says interrupted, the next run does not wait a lease."""
    issue = stack.issue()
    asked = now()
    ready = stack.folder / "ready"
    code = f"pathlib.Path({str(ready)!r}).write_text('x')\ntime.sleep(60)"
    values = stack.parameters(issue, asked_at=asked, code=code)
    command = Cli(
        tmp_path, stack.variables | {"WORKFLOWS_LEASE_S": "600", "WORKFLOWS_SANDBOX": "off"}
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "workflows", "run", "resolve_issue", "-q", *stack.flags(values)],
        env=command.environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not ready.exists():
        assert child.poll() is None, child.communicate()
        os.sched_yield()
    child.terminate()

    assert finish(child).exit_code == 143
    assert "was interrupted" in stack.notes(issue)[0].body
    again = finish(start(stack, issue, asked, tmp_path, WORKFLOWS_LEASE_S="600"))
    assert again.exit_code == 0, again.stderr
    one_of_each(stack, issue)


def test_fifty_deliveries_for_ten_issues_at_once_make_ten_merge_requests(
    stack: Stack, tmp_path: Path
) -> None:
    issues = [stack.issue(f"Issue number {n}") for n in range(10)]
    asked = now()
    children = [
        (issue, start(stack, issue, asked, tmp_path, WORKFLOWS_LEASE_S="30"))
        for _ in range(5)
        for issue in issues
    ]

    ends = [(issue, finish(child)) for issue, child in children]

    for issue, done in ends:
        assert done.exit_code == 0, (issue.iid, done.stderr)
    for issue in issues:
        one_of_each(stack, issue)
    outcomes = Counter(last_json(done)["result"]["outcome"] for _, done in ends)
    assert len(stack.merge_requests()) == 10
    assert outcomes["merge_request"] >= 10
    assert set(outcomes) <= {"merge_request", "already_done", "running_elsewhere"}, outcomes
