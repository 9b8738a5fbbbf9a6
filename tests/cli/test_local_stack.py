"""`workflows local up` and its companions, as a person uses them."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from workflows.core import process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Cli

START_S = 120


@pytest.mark.slow
def test_a_message_to_the_running_stack_starts_a_flow(cli: Cli, tmp_path: Path) -> None:
    """up, status, publish, logs, down: a message becomes an execution that ends well."""
    log = tmp_path / "up.log"
    args = [sys.executable, "-m", "workflows", "local", "up"]
    with process.background(args, env=cli.environment({}), log=log) as child:
        deadline = time.monotonic() + START_S
        while "Ctrl-C stops everything" not in log.read_text():
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        shown = log.read_text()
        variables = dict(re.findall(r"^export (\w+)=(\S+)$", shown, re.MULTILINE))

        again = cli("local", "up")
        status = cli("local", "status")
        url = f"{variables['GITLAB_URL']}/{variables['GITLAB_PROJECT']}.git"
        published = cli("local", "publish", "hello_world", "--param", f"git_url={url}", "--json")
        headers = {"PRIVATE-TOKEN": variables["GITLAB_TOKEN"]}
        branch = (
            f"{variables['GITLAB_URL']}/api/v4/projects/acme%2Fshop/repository/branches/hello-world"
        )
        while httpx.get(branch, headers=headers, trust_env=False).status_code != 200:
            assert time.monotonic() < deadline, cli("local", "logs", "workflow_trigger").stdout
            time.sleep(0.2)
        assert child.poll() is None, (child.returncode, log.read_text())
        logs = cli("local", "logs")
        trigger_log = cli("local", "logs", "workflow_trigger")
        missing = cli("local", "logs", "nonsense")
        down = cli("local", "down")

        assert child.wait(20) in {0, 143}  # 143: what did not end in time was killed
    assert again.exit_code == 2
    assert "runs already" in again.stderr
    assert status.exit_code == 0, status.stdout
    for name in ("GitLab", "Pub/Sub", "workflow_trigger", "gitlab_webhook", "Cloud Run"):
        assert re.search(rf"^{name} +answers", status.stdout, re.MULTILINE), status.stdout
    assert json.loads(published.stdout.splitlines()[-1])["workflow"] == "hello_world"
    assert "workflow_trigger" in logs.stdout
    assert "was started" in trigger_log.stdout
    assert missing.exit_code == 2
    assert down.exit_code == 0
    assert down.stdout == "stopped\n"
    assert [p for p in cli.cwd.iterdir() if p.name.startswith("workflows-local-")] == []


def test_without_a_running_stack_each_says_how_to_start_it(cli: Cli) -> None:
    for words in (("status",), ("down",), ("logs",), ("publish", "hello_world")):
        done = cli("local", *words)
        assert done.exit_code == 2, done.stdout
        assert "workflows local up" in done.stderr


def test_a_stack_that_was_killed_is_not_taken_for_a_running_one(cli: Cli) -> None:
    folder = cli.cwd / ".local" / "state" / "workflows"
    folder.mkdir(parents=True)
    gone = process.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        env=cli.environment({}),
        timeout_s=20,
    )
    (folder / "local.json").write_text(json.dumps({"pid": int(gone.stdout), "parts": []}))

    assert cli("local", "status").exit_code == 2
