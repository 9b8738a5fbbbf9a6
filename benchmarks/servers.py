"""Servers in processes of their own: they share no interpreter with what is measured."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_START_LIMIT_S = 180


@dataclass(frozen=True)
class Running:
    """A git server: the URL of its one project, its token, and the folder of repositories."""

    url: str
    token: str
    root: Path


@contextmanager
def git_server(folder: Path) -> Iterator[Running]:
    """`workflows local git` on a free port, for the time of the block."""
    token, root = "benchmark-token", folder / "repositories"
    root.mkdir()
    args = ["local", "git", "--root", str(root), "--token", token]
    with _process([sys.executable, "-m", "workflows", *args], dict(os.environ)) as child:
        assert child.stdout is not None
        line = child.stdout.readline().decode()
        found = re.match(r"http://\S+", line)
        if found is None:
            raise RuntimeError(f"the git server did not start: {line}")
        yield Running(found.group(), token, root)


@dataclass(frozen=True)
class Lab:
    """An embedded GitLab: what `--env-file` says of it."""

    variables: dict[str, str]


@contextmanager
def gitlab_server(folder: Path) -> Iterator[Lab]:
    """`workflows local gitlab` on a free port, for the time of the block."""
    file = folder / "gitlab.env"
    args = [sys.executable, "-m", "workflows", "local", "gitlab", "--port", "0"]
    with _process([*args, "--env-file", str(file)], dict(os.environ)) as child:
        assert child.stdout is not None
        line = child.stdout.readline().decode()
        if not file.exists():
            raise RuntimeError(f"the GitLab did not start: {line}")
        pairs = (one.split("=", 1) for one in file.read_text().splitlines())
        yield Lab(dict(pairs))


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """`workflows local prefect` on a free port with a database of its own; yields the API URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"PREFECT_HOME": str(folder / "prefect")}
    args = [sys.executable, "-m", "workflows", "local", "prefect", "--port", str(port)]
    with _process(args, env) as child:
        api = f"http://127.0.0.1:{port}/api"
        deadline = time.monotonic() + _START_LIMIT_S
        while child.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{api}/health", timeout=2).close()  # noqa: S310 - 127.0.0.1
            except OSError:
                time.sleep(0.2)
            else:
                yield api
                return
    raise RuntimeError("the Prefect server did not start")


@contextmanager
def _process(args: list[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        args, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=False
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
