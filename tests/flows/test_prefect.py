"""hello_world under a real Prefect server: what is seen there, and what happens when it fails.

One server for all: it takes seconds to start.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.flows.test_hello_world import Watched
from tests.prefect_server import prefect_server, query, run_named, tasks_of, wait_for
from tests.support import TOKEN, Cli, Remote, last_json
from workflows.core import http, process
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

pytestmark = pytest.mark.prefect


def own_project(remote: Remote, name: str) -> Remote:
    """A project whose path tells this test's run from the others on the shared server."""
    folder = remote.server.create_repository(f"acme/{name}")
    return Remote(remote.server, remote.base_url, folder, f"acme/{name}")


def test_run_steps_retries_logs_and_link_are_seen(remote: Remote, cli: Cli, api: str) -> None:
    """With PREFECT_API_URL the run, its steps, a retry, our logs and the link are there."""
    project = own_project(remote, "seen")
    remote.server.faults.fail_next = [503]

    done = cli("run", "hello_world", "--git-url", project.url, "--json", PREFECT_API_URL=api)

    assert done.exit_code == 0, done.stderr
    run = run_named(api, "acme/seen")
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"]["git_url"] == project.url
    steps = tasks_of(api, run, 5)
    assert sorted(steps) == [
        "clone repository",
        "commit changes",
        "create branch",
        "push changes",
        "write file",
    ]
    assert steps["clone repository"]["run_count"] == 2
    by_run = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
    wait_for(
        lambda: any("push changes: done" in x["message"] for x in query(api, "logs", **by_run))
    )
    (artifact,) = query(api, "artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert f"{remote.base_url}/acme/seen/-/tree/hello-world" in artifact["data"]


def test_the_token_is_not_in_prefect(remote: Remote, cli: Cli, api: str) -> None:
    """Parameters, logs, artifacts and states hold no token, even one given in the URL."""
    project = own_project(remote, "secret")
    remote.server.set_push_rule("acme/secret", f"your token {TOKEN} is in the commit")
    url = project.url.replace("://", f"://bot:{TOKEN}@")

    done = cli("run", "hello_world", "--git-url", url, PREFECT_API_URL=api, LOG_LEVEL="DEBUG")

    assert done.exit_code == 1
    run = run_named(api, "acme/secret")
    assert run["state_type"] == "FAILED"
    tasks_of(api, run, 5)
    by_run = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
    wait_for(lambda: any("Finished in state" in x["message"] for x in query(api, "logs", **by_run)))
    for what in ("flow_runs", "task_runs", "artifacts", "logs", "events"):
        assert TOKEN not in str(query(api, what, limit=50)), what
    assert "[redacted]" in str(query(api, "logs", **by_run))


def test_sigterm_does_not_leave_the_run_running(
    remote: Remote, cli: Cli, api: str, tmp_path: Path
) -> None:
    """SIGTERM: exit 143 within 5 s of the signal, and Prefect knows that the run is over."""
    project = own_project(remote, "stopped")
    watched = Watched(tmp_path)
    watched.act("term", 4)
    stamp = watched.log / "at"

    done = cli(
        "run", "hello_world", "--git-url", project.url, PREFECT_API_URL=api, PATH=watched.path
    )
    ended = time.time()

    assert done.exit_code == 143, done.stderr
    assert ended - (watched.log / "calls").stat().st_mtime < 5
    assert stamp.exists()
    assert [p.name for p in cli.cwd.iterdir() if p.name.startswith("workflows-")] == []
    assert run_named(api, "acme/stopped")["state_type"] == "CRASHED"


def test_an_unreachable_api_does_not_stop_the_work(remote: Remote, cli: Cli) -> None:
    """Nobody at PREFECT_API_URL: the work is done, a warning says it was not shown."""
    done = cli(
        "run", "hello_world", "--git-url", remote.url, PREFECT_API_URL="http://127.0.0.1:1/api"
    )

    assert done.exit_code == 0, done.stderr
    assert "running without Prefect" in done.stderr
    assert "hello-world" in remote.branches()


def test_an_api_that_never_answers_does_not_stop_the_work(remote: Remote, cli: Cli) -> None:
    """A PREFECT_API_URL that accepts and stays silent costs seconds, not the run."""
    release = threading.Event()

    def silent(_: Request) -> PlainTextResponse:
        release.wait(30)
        return PlainTextResponse("")

    with serve_app(Starlette(routes=[Route("/{path:path}", silent)])) as base_url:
        started = time.monotonic()
        done = cli("run", "hello_world", "--git-url", remote.url, PREFECT_API_URL=f"{base_url}/api")
        took = time.monotonic() - started
        release.set()

    assert done.exit_code == 0, done.stderr
    assert "hello-world" in remote.branches()
    assert took < 10


@pytest.mark.parametrize("kind", ["busy", "garbage", "refusing"])
def test_an_api_that_does_not_let_the_run_begin_does_not_stop_it(
    remote: Remote, cli: Cli, kind: str
) -> None:
    """503 with an hour to wait, HTML, ABORT: the work is done once, in time, without Prefect."""

    async def answer(request: Request) -> Response:
        path = request.url.path
        if path.endswith("/health"):
            return JSONResponse({"ok": "yes"})
        if kind == "busy":
            return PlainTextResponse("later", 503, {"Retry-After": "3600"})
        if kind == "refusing" and path.endswith(("/flows/", "/flow_runs/")):
            made = {"id": "11111111-2222-4333-8444-555555555555", "name": "x", "flow_id": None}
            made["flow_id"] = made["id"]
            return JSONResponse(made, 201)
        if kind == "refusing" and path.endswith("/set_state"):
            details = {"type": "abort_details", "reason": "limit"}
            return JSONResponse({"state": None, "status": "ABORT", "details": details})
        return PlainTextResponse("<html>login</html>")

    routes = [Route("/{path:path}", answer, methods=["GET", "POST", "PATCH"])]
    with serve_app(Starlette(routes=routes)) as base_url:
        started = time.monotonic()
        done = cli(
            *("run", "hello_world", "--git-url", remote.url, "--json"),
            PREFECT_API_URL=f"{base_url}/api",
            WORKFLOWS_PREFECT_START_S="3",
            WORKFLOWS_PREFECT_GRACE_S="2",
        )
        took = time.monotonic() - started

    assert done.exit_code == 0, done.stderr
    assert last_json(done)["state"] == "succeeded"
    assert done.stderr.count("push changes: done") == 1
    assert "running without Prefect" in done.stderr
    assert took < 15


def test_the_body_is_not_run_again_by_prefect(remote: Remote, cli: Cli, api: str) -> None:
    """Prefect's default number of retries does not make a failed body run twice."""
    project = own_project(remote, "declined")
    remote.server.set_push_rule("acme/declined", "no")

    done = cli(
        *("run", "hello_world", "--git-url", project.url),
        PREFECT_API_URL=api,
        PREFECT_FLOWS_DEFAULT_RETRIES="2",
    )

    assert done.exit_code == 1
    assert done.stderr.count("clone repository: done") == 1


def test_every_call_of_the_flow_is_a_run_of_its_own(remote: Remote, cli: Cli, api: str) -> None:
    """A program that calls the Prefect flow twice gets two runs with their own parameters."""
    first, second = own_project(remote, "first"), own_project(remote, "second")
    program = (
        "from workflows.hello_world import hello_world as flow\n"
        f"print(flow(git_url={first.url!r}, branch='one').branch)\n"
        f"print(flow(git_url={second.url!r}, branch='two').branch)\n"
    )
    env = cli.environment({"PREFECT_API_URL": api})

    done = process.run([sys.executable, "-c", program], env=env, timeout_s=60)

    assert done.stdout.split() == ["one", "two"]
    assert "one" in first.branches()
    assert "two" in second.branches()


def test_logs_stay_json_under_prefect(remote: Remote, cli: Cli, api: str) -> None:
    """In Cloud Run every line of stderr is a JSON object, Prefect's own complaints included."""
    done = cli(
        *("run", "hello_world", "--git-url", remote.url),
        PREFECT_API_URL=api,
        CLOUD_RUN_JOB="hello-world",
    )

    assert done.exit_code == 0
    for line in done.stderr.splitlines():
        assert json.loads(line)["severity"] in {"INFO", "WARNING"}, line


def test_an_api_that_dies_on_the_way_does_not_stop_the_work(
    remote: Remote, cli: Cli, tmp_path: Path
) -> None:
    """The server is killed while a step runs: pushed, exit 0, over within 10 s of the push."""
    home = tmp_path / "prefect"
    home.mkdir()
    project = own_project(remote, "orphan")
    watched = Watched(tmp_path)
    with prefect_server(home) as api:
        # At the third git call the wrapper waits until the server is dead.
        (watched.log / "bin" / "git").write_text(
            (watched.log / "bin" / "git")
            .read_text()
            .replace(
                "case $act in",
                'touch "$log/reached"; while [ ! -e "$log/go" ]; do sleep 0.1; done\ncase $act in',
            )
        )
        watched.act("nothing", 3)
        killer = threading.Thread(target=_kill_when, args=(watched.log, home))
        killer.start()

        done = cli(
            *("run", "hello_world", "--git-url", project.url, "--json"),
            PREFECT_API_URL=api,
            PATH=watched.path,
        )
        ended = time.time()
        killer.join()

    assert done.exit_code == 0, done.stderr
    assert last_json(done)["state"] == "succeeded"
    assert "hello-world" in project.branches()
    pushed = (watched.log / "calls").stat().st_mtime
    assert ended - pushed < 11
    assert "Traceback" not in done.stderr


def _kill_when(log: Path, home: Path) -> None:
    """Kill -9 the server listening for this test once the flow has reached its third git call."""
    wait_for((log / "reached").exists, 60)
    mark = str(home).encode()
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names only
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:  # noqa: PTH123
                if entry.isdigit() and mark in file.read():
                    os.kill(int(entry), signal.SIGKILL)
        except OSError:
            continue
    (log / "go").touch()


@contextmanager
def served(cli: Cli, api: str, **env: str) -> Iterator[str]:
    """A `serve` process with one deployment of hello_world; yields the deployment's id."""
    program = (
        "from prefect import serve\n"
        "from prefect.flows import EntrypointType\n"
        "from workflows.hello_world import hello_world\n"
        "module = EntrypointType.MODULE_PATH\n"
        "serve(hello_world.to_deployment('test', entrypoint_type=module))\n"
    )
    whole = cli.environment({"PREFECT_API_URL": api, "PREFECT_HOME": str(cli.cwd)} | env)
    args = [sys.executable, "-c", program]
    with process.background(args, env=whole, cwd=cli.cwd, log=cli.cwd / "serve.log"):
        by_name = {"deployments": {"name": {"any_": ["test"]}}}
        wait_for(lambda: query(api, "deployments", **by_name), 60)
        yield query(api, "deployments", **by_name)[0]["id"]


def start(api: str, deployment: str, git_url: str) -> str:
    """Ask for a run of the deployment, as the UI's button does; its id."""
    body = {"parameters": {"git_url": git_url}, "state": {"type": "SCHEDULED"}}
    answer = http.request(
        *("POST", f"{api}/deployments/{deployment}/create_flow_run"), timeout_s=10, json_body=body
    )
    found: str = answer.json()["id"]
    return found


def test_a_deployment_runs_the_flow(remote: Remote, cli: Cli, api: str) -> None:
    """Served and started through the API, the flow runs in a process of Prefect's own."""
    project = own_project(remote, "deployed")
    with served(cli, api) as deployment:
        start(api, deployment, project.url)
        run = run_named(api, "acme/deployed")
        schema = http.request("GET", f"{api}/deployments/{deployment}", timeout_s=10).json()[
            "parameter_openapi_schema"
        ]

    assert run["state_type"] == "COMPLETED", (cli.cwd / "serve.log").read_text()
    assert "hello-world" in project.branches()
    assert schema["required"] == ["git_url"]
    assert schema["properties"]["branch"]["default"] == "hello-world"


def test_a_cancelled_run_stops_and_is_notified_once(
    remote: Remote, cli: Cli, api: str, tmp_path: Path
) -> None:
    """Cancelled in the UI: the hanging step is ended, scratch removed, people told once."""
    got: list[str] = []

    async def hook(request: Request) -> PlainTextResponse:
        got.append((await request.json())["title"])
        return PlainTextResponse("")

    project = own_project(remote, "cancelled")
    watched = Watched(tmp_path)
    remote.server.faults.latency_s = 60
    with serve_app(Starlette(routes=[Route("/", hook, methods=["POST"])])) as receiver:
        env = {"NOTIFY_URLS": receiver.replace("http://", "json://") + "/", "PATH": watched.path}
        with served(cli, api, **env) as deployment:
            run_id = start(api, deployment, project.url)
            wait_for(lambda: any(call.startswith("clone ") for call in watched.calls()), 60)
            http.request(
                *("POST", f"{api}/flow_runs/{run_id}/set_state"),
                timeout_s=10,
                json_body={"state": {"type": "CANCELLING"}},
            )
            run = run_named(api, "acme/cancelled")
            wait_for(lambda: got)
            wait_for(lambda: not list(cli.cwd.glob("workflows-*")))

    assert run["state_type"] == "CANCELLED"
    assert got == ["hello_world terminated: acme/cancelled"]
    assert "hello-world" not in project.branches()


def test_the_entrypoint_is_a_prefect_flow(cli: Cli) -> None:
    """`workflows.hello_world:hello_world` is a flow; importing the module needs no Prefect."""
    program = (
        "import sys, workflows.hello_world\n"
        "assert 'prefect' not in sys.modules\n"
        "from prefect.flows import load_flow_from_entrypoint as load\n"
        "print(load('workflows.hello_world:hello_world').name)\n"
    )
    args = [sys.executable, "-c", program]

    assert process.run(args, env=cli.environment({}), timeout_s=60).stdout == "hello_world\n"


def test_an_ephemeral_server_is_started_when_asked_for(remote: Remote, cli: Cli) -> None:
    """`--prefect ephemeral` records the run and every step on a server that ends with the run."""
    done = cli("run", "hello_world", "--git-url", remote.url, "--prefect", "ephemeral", "--json")

    assert done.exit_code == 0, done.stderr
    assert "hello-world" in remote.branches()
    with sqlite3.connect(cli.cwd / ".prefect" / "prefect.db") as database:
        runs = database.execute("SELECT state_type FROM flow_run").fetchall()
        steps = database.execute("SELECT state_type FROM task_run").fetchall()
    assert runs == [("COMPLETED",)]
    assert steps == [("COMPLETED",)] * 5
