"""A place for programs that are not trusted, and a process of its own that runs one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.core.config import environment
from workflows.core.sandbox import run as sandbox_run
from workflows.core.sandbox.run import (
    SandboxResult,
    UntrustedProgram,
    run_in_sandbox,
    sandbox_environment,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.core.config.choices import Sandbox

ROOT = Path(sandbox_run.__file__).parents[3]
SECRET = "tok-confined-93ab"
_numbers = count(1)


@dataclass
class Place:
    """A clone to work in, with what belongs to it; `nap` is a length of sleep like no other."""

    base: Path
    sandbox: Sandbox
    nap: str

    @property
    def clone(self) -> Path:
        return self.base / "clone"

    @property
    def log(self) -> Path:
        return self.base / "log"

    def run(self, *args: str, env: Mapping[str, str] | None = None, **others: Any) -> SandboxResult:
        home = self.base / "home"
        env = sandbox_environment({"NAP": self.nap}, home) if env is None else env
        sandbox, on_line = others.pop("sandbox", self.sandbox), others.pop("on_line", None)
        given: dict[str, Any] = {
            "cwd": self.clone,
            "home": home,
            "log": self.log,
            "timeout_s": 30,
            **others,
        }
        return run_in_sandbox(UntrustedProgram(args=args, env=env, **given), sandbox, on_line)

    def sh(self, script: str, **others: Any) -> SandboxResult:
        return self.run("sh", "-c", script, **others)

    def sleepers(self) -> list[str]:
        """The processes that sleep as long as only ours do; not those that wait to be reaped."""
        listed = subprocess.run(
            ["ps", "-eww", "-o", "stat=,args="], capture_output=True, text=True, check=True
        )
        lines = [line.strip() for line in listed.stdout.splitlines()]
        return [line for line in lines if line.endswith(f"sleep {self.nap}") and line[0] != "Z"]


def make_place(base: Path, sandbox: Sandbox) -> Place:
    for name in ("clone", "home"):
        (base / name).mkdir()
    return Place(base, sandbox, f"{300 + next(_numbers)}.{os.getpid()}")


def wait_for(path: Path, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.01)


DRIVER = """
import json, os, sys
from pathlib import Path
from workflows.core import process
from workflows.core.config import environment
from workflows.core.process import signals
from workflows.core.sandbox import run as sandbox_run
from workflows.core.errors import Terminated
from workflows.core.config.choices import Sandbox

base, sandbox, *args = sys.argv[1:]
base = Path(base)

def run():
    env = sandbox_run.sandbox_environment({"NAP": os.environ["NAP"]}, base / "home")
    program = sandbox_run.UntrustedProgram(
        args=args, env=env, cwd=base / "clone", home=base / "home", log=base / "log", timeout_s=60
    )
    return sandbox_run.run_in_sandbox(program, Sandbox(sandbox))
"""


def driver(
    place: Place, body: str, *args: str, before: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """A process of its own that is "us" and holds a secret in its environment."""
    extra = {"PYTHONPATH": str(ROOT), "NAP": place.nap, "OUR_SECRET": SECRET}
    return subprocess.Popen(
        [*before, sys.executable, "-c", DRIVER + body, str(place.base), place.sandbox, *args],
        env=environment.for_child(extra.items()),
        stdout=subprocess.PIPE,
        text=True,
    )
