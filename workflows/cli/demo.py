"""`workflows demo`: the whole of hello_world on this machine, offline, in a few seconds."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from workflows.cli import output
from workflows.core import environment, process
from workflows.core.git_command import Git
from workflows.core.git_names import GitUrl
from workflows.core.settings import load
from workflows.local.git_http import Account, GitServer
from workflows.local.serving import serve

_TOKEN = "glpat-demo-not-a-secret"  # noqa: S105 - of a server that lives for the demo only
_PROJECT = "acme/shop"
_RUN_TIMEOUT_S = 120


def demo() -> int:
    """Make a repository on an embedded server, run hello_world against it, show what it has now.

    The flow runs as a process of its own, over HTTP, with a token, as it would in production.
    """
    with tempfile.TemporaryDirectory(prefix="workflows-demo-") as folder:
        server = GitServer(Path(folder), [Account("maintainer", _TOKEN)])
        server.create_repository(_PROJECT)
        with serve(server.app) as base_url:
            url = f"{base_url}/{_PROJECT}.git"
            output.say(f"A git server with the private project {_PROJECT} is at {base_url}.\n")
            output.say(f"$ GIT_TOKEN=… workflows run hello_world --git-url {url}")
            args = [sys.executable, "-m", "workflows", "run", "hello_world", "--git-url", url]
            env = environment.for_child({"GIT_TOKEN": _TOKEN}.items())
            done = process.run(args, env=env, timeout_s=_RUN_TIMEOUT_S, check=False)
            output.say(done.stderr + done.stdout)
            if done.exit_code:
                return done.exit_code
            output.say(f"$ git ls-remote {url}")
            git = Git(GitUrl.parse(url), load().git_timeout_s, secret=_TOKEN)
            output.say(git.run("ls-remote", url, cwd=Path(folder)).stdout)
    return 0
