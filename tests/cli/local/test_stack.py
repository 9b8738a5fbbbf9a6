"""`workflows local up` and its companions, as a person uses them."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from workflows.core import process

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Cli

START_S = 120
STOP_S = 20


@dataclass
class Up:
    """`workflows local up`, ready for messages."""

    child: subprocess.Popen[bytes]
    log: Path
    variables: dict[str, str]

    @property
    def git_url(self) -> str:
        """The demo project's."""
        return f"{self.variables['GITLAB_URL']}/{self.variables['GITLAB_PROJECT']}.git"

    def address(self, part: str) -> str:
        """Where a part answers, as it was shown."""
        found = re.search(rf"^{part} +(http\S+)", self.log.read_text(), re.MULTILINE)
        assert found, self.log.read_text()
        return found[1]

    def wait_for_branch(self, name: str) -> None:
        """Return once the demo project has the branch; the stack must live on."""
        headers = {"PRIVATE-TOKEN": self.variables["GITLAB_TOKEN"]}
        api = f"{self.variables['GITLAB_URL']}/api/v4/projects/acme%2Fshop/repository"
        deadline = time.monotonic() + START_S
        while httpx.get(f"{api}/branches/{name}", headers=headers, trust_env=False).is_error:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)
        assert self.child.poll() is None, (self.child.returncode, self.log.read_text())


@pytest.fixture
def up(cli: Cli, tmp_path: Path) -> Iterator[Up]:
    log = tmp_path / "up.log"
    args = [sys.executable, "-m", "workflows", "local", "up"]
    with process.background(args, env=cli.environment({}), log=log) as child:
        deadline = time.monotonic() + START_S
        while "Ctrl-C stops everything" not in log.read_text():
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        variables = dict(re.findall(r"^export (\w+)=(\S+)$", log.read_text(), re.MULTILINE))
        yield Up(child, log, variables)
        if child.poll() is None:  # the block's end would kill it before it has ended its parts
            child.terminate()
            child.wait(STOP_S)


@pytest.mark.slow
def test_a_flow_step_of_a_dag_runs_as_an_execution_of_its_own(
    cli: Cli, up: Up, tmp_path: Path
) -> None:
    """As in production: run_dag's job starts hello_world's."""
    file = tmp_path / "dag.yaml"
    file.write_text(
        "name: small\n"
        "steps:\n"
        "  - id: hello\n"
        "    workflow: hello_world\n"
        "    parameters:\n"
        f"      git_url: {up.git_url}\n"
        "      branch: from-a-dag\n"
    )
    words = ["--param", f"dag_path={file}", "--param", f"tr_hostname={up.address('Task Runner')}"]

    published = cli("local", "publish", "run_dag", *words, "--param", "tr_auth_jwt=none")

    assert published.exit_code == 0, published.stderr
    up.wait_for_branch("from-a-dag")
    job = f"{up.address('Cloud Run')}/workflows-hello-world/executions"
    assert len(httpx.get(job, trust_env=False).json()["executions"]) == 1


@pytest.mark.slow
def test_a_message_to_the_running_stack_starts_a_flow(cli: Cli, up: Up) -> None:
    """up, status, publish, logs, down: a message becomes an execution that ends well."""
    again = cli("local", "up")
    status = cli("local", "status")
    words = ("--param", f"git_url={up.git_url}", "--json")
    published = cli("local", "publish", "hello_world", *words)
    up.wait_for_branch("hello-world")
    logs = cli("local", "logs")
    trigger_log = cli("local", "logs", "workflow_trigger")
    missing = cli("local", "logs", "nonsense")
    down = cli("local", "down")

    assert up.child.wait(STOP_S) in {0, 143}  # 143: what did not end in time was killed
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
