"""Runs a built image in runc, as Cloud Run would: `image_run.py ROOT INSPECTED`.

ROOT is the mounted file system, INSPECTED what buildah says of the image. Proves, as the user the
image names, that hello_world pushes to the embedded git server, or that the Task Runner carries out
a DAG; that SIGTERM ends it in time; that bytecode is there and neither a secret nor pip's cache is.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.core import process
from workflows.core.config import environment
from workflows.local.git_server.http import Account, GitServer
from workflows.servers.serving import free_port, is_listening, serve_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PROJECT = "acme/shop"
TOKEN = "glpat-image-check"  # noqa: S105 - of a server that lives as long as this check
UID = 10001
_TIMEOUT_S = 120.0
_MAX_STOP_S = 5.0
_SIGTERM_CODE = 143
_DAG = Path(__file__).parents[2] / "dags" / "fork_join_dag.yaml"


class Container:
    """A bundle for runc: the image's own entrypoint, user, folder and environment."""

    def __init__(self, folder: Path, root: Path, config: dict[str, Any]) -> None:
        self._folder, self._root, self._config = folder, root, config
        self.name = f"image-check-{folder.name.rsplit('-', 1)[-1]}"

    def run(self, args: list[str], entrypoint: list[str] | None = None) -> process.Completed:
        """Run to the end and return how it ended."""
        self._write([*(entrypoint or self._config["Entrypoint"]), *args])
        return _runc("run", "--bundle", str(self._folder), self.name)

    def terminate(self) -> None:
        """Send SIGTERM to the first process."""
        _runc("kill", self.name, "TERM")

    def user(self) -> int:
        """The user id of its first process, as the machine outside sees it."""
        pid = json.loads(_runc("state", self.name).stdout)["pid"]
        return Path(f"/proc/{pid}").stat().st_uid

    def _write(self, args: list[str]) -> None:
        (self._folder / "config.json").unlink(missing_ok=True)
        _runc("spec", "--bundle", str(self._folder))
        path = self._folder / "config.json"
        spec = json.loads(path.read_text())
        user = int(self._config["User"].split(":")[0])
        given = [f"GIT_TOKEN={TOKEN}", "WORKFLOW_NAME=hello_world", "CLOUD_RUN_JOB=check"]
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": user, "gid": user},
            "args": args,
            "env": [*self._config["Env"], *given],
            "cwd": self._config.get("WorkingDir") or "/",
        }
        spec["root"] = {"path": str(self._root), "readonly": True}
        spec["linux"]["namespaces"] = [
            space
            for space in spec["linux"]["namespaces"]
            if space["type"] not in {"network", "cgroup"}
        ]
        spec["mounts"] += [_memory("/tmp", user), _memory("/srv/workflows", user)]  # noqa: S108
        path.write_text(json.dumps(spec))


def _memory(path: str, user: int) -> dict[str, object]:
    options = ["nosuid", "nodev", "mode=700", f"uid={user}", f"gid={user}"]
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options}


def _runc(*args: str) -> process.Completed:
    return process.run(
        ["runc", *args], env=environment.whole(), timeout_s=_TIMEOUT_S, check=False, stdin=b""
    )


def pushes(container: Container, url: str) -> str:
    """hello_world pushes its branch."""
    begun = time.monotonic()
    done = container.run(["--git_url", url])
    if done.exit_code != 0:
        raise SystemExit(f"hello_world: exit code {done.exit_code}\n{done.stderr or done.stdout}")
    branches = process.run(
        ["git", "ls-remote", url.replace("://", f"://oauth2:{TOKEN}@")],
        env=environment.for_child(),
        timeout_s=_TIMEOUT_S,
    ).stdout
    if "refs/heads/hello-world" not in branches:
        raise SystemExit(f"hello_world pushed nothing: {branches}")
    return f"hello_world pushed in {time.monotonic() - begun:.2f} s"


class Watch:
    """An app that says when a request has come (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.came = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""
        if scope["type"] == "http":
            self.came.set()
        await self._app(scope, receive, send)


def stops(container: Container, server: GitServer, watch: Watch, url: str) -> str:
    """SIGTERM in the middle of a clone ends it."""
    server.faults.latency_s = 60.0
    ended: list[tuple[float, int]] = []

    def run() -> None:
        done = container.run(["--git_url", url, "--branch", "stopped"])
        ended.append((time.monotonic(), done.exit_code))
        watch.came.set()  # nothing more will

    watch.came.clear()
    thread = threading.Thread(target=run)
    thread.start()
    if not watch.came.wait(_TIMEOUT_S) or ended:
        raise SystemExit(f"hello_world did not clone: {ended}")
    asked = time.monotonic()
    container.terminate()
    thread.join(_TIMEOUT_S)
    at, code = ended[0]
    if at - asked > _MAX_STOP_S or code != _SIGTERM_CODE:
        raise SystemExit(f"SIGTERM: exit code {code} after {at - asked:.1f} s")
    return f"SIGTERM ended it in {at - asked:.2f} s, exit code {code}"


def serves(container: Container) -> str:
    """The Task Runner carries out a DAG; SIGTERM ends it."""
    port, ended = free_port(), list[process.Completed]()
    flags = ["--backend", "mock", "--host", "127.0.0.1", "--port", str(port)]
    thread = threading.Thread(target=lambda: ended.append(container.run(flags)))
    begun = time.monotonic()
    thread.start()
    while not is_listening(port):
        if ended or time.monotonic() - begun > _TIMEOUT_S:
            raise SystemExit(f"the Task Runner does not listen: {ended}")
        time.sleep(0.02)
    up_s, user = time.monotonic() - begun, container.user()
    dag = ["dag", "run", "--dag-path", str(_DAG), "--journal", "none", "--tr-auth-jwt", "none"]
    args = [sys.executable, "-m", "workflows", *dag, "--tr-hostname", f"http://127.0.0.1:{port}"]
    done = process.run(args, env=environment.for_child(), timeout_s=_TIMEOUT_S, check=False)
    asked = time.monotonic()
    container.terminate()
    thread.join(_TIMEOUT_S)
    stop_s = time.monotonic() - asked
    if done.exit_code != 0 or user != UID:
        raise SystemExit(f"the DAG: {done.exit_code}, as {user}\n{done.stderr or done.stdout}")
    if not ended or stop_s > _MAX_STOP_S:
        raise SystemExit(f"SIGTERM: {ended or 'it still runs'} after {stop_s:.1f} s")
    return (
        f"the Task Runner listened as {user} in {up_s:.2f} s, carried out {_DAG.name} in"
        f" {done.duration_s:.2f} s, and SIGTERM ended it in {stop_s:.2f} s,"
        f" exit code {ended[0].exit_code}"
    )


def is_clean(container: Container, root: Path, config: dict[str, Any]) -> str:
    """The user is not root; nothing is in the image that must not be."""
    user = container.run(["-u"], entrypoint=["id"]).stdout.strip()
    if user != str(UID):
        raise SystemExit(f"the image runs as {user}, not as {UID}")
    wrong = [line for line in config["Env"] if "TOKEN" in line or "KEY=" in line]
    wrong += [str(found) for found in root.glob("root/.cache/pip")]
    wrong += [str(found) for found in root.glob("opt/workflows/app/**/.env*")]
    if wrong:
        raise SystemExit(f"in the image, and must not be: {', '.join(wrong)}")
    if not any(root.glob("opt/workflows/app/workflows/__pycache__/*.pyc")):
        raise SystemExit("there is no bytecode; each start would compile anew")
    return f"runs as {user}, with bytecode, without secret or cache"


def main(root: Path, inspected: Path) -> int:
    """Every check in turn; the first that fails ends it."""
    # the request that is held back is cut off at the end, which uvicorn would tell at length
    logging.disable()
    config = json.loads(inspected.read_text())["OCIv1"]["config"]
    with tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        container = Container(Path(folder), root, config)
        repositories = Path(folder) / "repositories"
        repositories.mkdir()
        print(f"ok      {is_clean(container, root, config)}", flush=True)
        if "task-runner" in config["Entrypoint"]:
            print(f"ok      {serves(container)}", flush=True)
            return 0
        server = GitServer(repositories, [Account("maintainer", TOKEN)])
        server.create_repository(PROJECT)
        watch = Watch(server.app)
        with serve_app(watch) as base_url:
            url = f"{base_url}/{PROJECT}.git"
            print(f"ok      {pushes(container, url)}", flush=True)
            print(f"ok      {stops(container, server, watch, url)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
