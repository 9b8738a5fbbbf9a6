"""`workflows task-runner serve` as a process of its own."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.cli.test_main import first_match
from workflows.cli import flags, task_runner
from workflows.core import process
from workflows.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Cli

COMMAND = [sys.executable, "-m", "workflows", "task-runner", "serve"]


def test_it_serves_processes_until_it_is_stopped(cli: Cli, tmp_path: Path) -> None:
    log, secret = tmp_path / "log", tmp_path / "token"
    secret.write_text("token-7c1d\n")
    args = [*COMMAND, "--port", "0", "--auth-jwt-file", str(secret)]
    with process.background(args, env=cli.environment({}), log=log) as server:
        url = first_match(log, r"http://\S+")
        with httpx.Client(
            base_url=url, trust_env=False, headers={"Authorization": "Bearer token-7c1d"}
        ) as http:
            body = {"job_name": "a", "imageUri": "demo/echo", "args": ["hello"]}
            job_id = http.post("/job", json=body).json()["job"]["jobId"]
            query = {"job_id": job_id, "wait": "10"}
            assert http.get("/jobstatus", params=query).json()["job"]["state"] == "SUCCEEDED"
            assert httpx.get(f"{url}/capabilities", trust_env=False).status_code == 401
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0

    assert "token-7c1d" not in log.read_text()


def test_a_container_tells_the_port_and_is_open_to_others(cli: Cli, tmp_path: Path) -> None:
    """PORT alone lets other machines in, and without a token that is said."""
    log = tmp_path / "log"
    args = [*COMMAND, "--backend", "mock", "--port", "0"]
    with process.background(args, env=cli.environment({"PORT": "8080"}), log=log):
        assert first_match(log, "other machines can reach this")
        assert first_match(log, r"http://\S+").startswith("http://127.0.0.1:")


def test_it_hands_jobs_to_cloud_run(cli: Cli, tmp_path: Path) -> None:
    """The whole way, with `python -m workflows` as the image."""
    from workflows.local.cloud_run import CloudRunServer

    log, cloud = tmp_path / "log", CloudRunServer(tmp_path / "cloud")
    with cloud.serve() as endpoint:
        args = [*COMMAND, "--backend", "cloud-run", "--project", "demo-project", "--port", "0"]
        args += ["--cloud-run-endpoint", endpoint, "--poll-interval", "0.1"]
        with process.background(args, env=cli.environment({}), log=log):
            url = first_match(log, r"http://\S+")
            body = {"job_name": "a", "imageUri": "our/workflows:1", "args": ["--version"]}
            made = httpx.post(f"{url}/job", json=body, trust_env=False)
            query = {"job_id": made.json()["job"]["jobId"], "wait": "20"}
            answer = httpx.get(f"{url}/jobstatus", params=query, timeout=30, trust_env=False)

        assert answer.json()["job"]["state"] == "SUCCEEDED"
        assert cloud.executions[0].log().startswith("workflows ")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--backend", "mock", "--images", "x"], "--images is for --backend process"),
        (["--failure-rate", "0.1"], "--failure-rate is for --backend mock"),
        (["--backend", "mock", "--failure-rate", "7"], "failure_rate"),
        (["--images", "/no/such/map.yaml"], "cannot be read"),
        (["--workers", "0"], "--workers"),
        (["--backend", "cloud-run"], "which project?"),
        (
            [
                "--backend",
                "cloud-run",
                "--project",
                "p",
                "--cloud-run-endpoint",
                "http://x.example",
            ],
            "begin it with https://",
        ),
        (["--auth-jwt-file", "/no/such/file"], "--auth-jwt-file"),
        (["--backend", "magic"], "invalid choice"),
    ],
)
def test_a_wrong_flag_is_wrong_input(args: list[str], words: str) -> None:
    parser = flags.Parser(prog="workflows task-runner serve")
    task_runner.add_task_runner_flags(parser)

    with pytest.raises(InputError) as caught:
        task_runner.serve_task_runner(flags.parse_command_line(parser, args))

    assert words in str(caught.value)
