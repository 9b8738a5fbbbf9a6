"""`workflows local …`: parts of the embedded stack in the foreground, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from workflows.cli import output
from workflows.core import environment, process
from workflows.core.errors import CommandLineInvalid, Terminated
from workflows.core.prefect_server import BATCH_SETTINGS
from workflows.local.git_http import Account, GitServer
from workflows.local.serving import serve

PROJECT = "acme/shop"


def git(*, port: int, root: str | None, token: str) -> int:
    """Serve `acme/shop` over HTTP with one Maintainer's token, until SIGINT or SIGTERM.

    With `root` the repositories stay in that folder and are found again at the next start.

    Raises:
        CommandLineInvalid: the port is taken.
    """
    with ExitStack() as stack:
        folder = Path(root) if root else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = GitServer(folder, [Account("maintainer", token)])
        server.create_repository(PROJECT)
        try:
            base_url = stack.enter_context(serve(server.app, port=port))
        except OSError as error:
            raise CommandLineInvalid(
                f"port {port} cannot be used", why=str(error), fix="choose another --port"
            ) from error
        output.say(f"{base_url}/{PROJECT}.git   (GIT_TOKEN={token}, Ctrl-C ends it)")
        try:
            signal.pause()
        except Terminated:
            return 0
    return 0


def prefect(*, port: int) -> int:
    """Become a Prefect server on 127.0.0.1, batching its writes, its UI talking to itself.

    Does not return. Without `PREFECT_UI_API_URL` the UI would look for port 4200 whatever the
    server's port.
    """
    api = f"http://127.0.0.1:{port}/api"
    output.say(f"Prefect UI:  http://127.0.0.1:{port}")
    output.say(f"to see runs: export PREFECT_API_URL={api}")
    env = environment.whole() | BATCH_SETTINGS
    env |= {"PREFECT_API_URL": api, "PREFECT_UI_API_URL": api}
    args = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1")
    process.replace_self([*args, "--port", str(port)], env=env)
    return 0
