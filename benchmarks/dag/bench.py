"""What the three DAG benchmarks share: the light runner as a process, our command, its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HERE = Path(__file__).parent
LIMIT_S = 300


@dataclass(frozen=True)
class Sample:
    """One process: wall and CPU seconds, peak memory in MB."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    stdout: str


@contextmanager
def runner(durations: Path | None = None) -> Iterator[int]:
    """The light Task Runner; yields its port."""
    args = [sys.executable, str(_HERE / "runner.py"), *([str(durations)] if durations else [])]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def measured(args: Sequence[str], env: Mapping[str, str]) -> Sample:
    """Run one process to its end.

    Raises:
        RuntimeError: it failed; a benchmark of a failure means nothing.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        args, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        out = child.stdout.read()
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - start
    if child.returncode:
        raise RuntimeError(f"{args} exited with {child.returncode}: {said[-2000:]}")
    return Sample(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out)


def ours(file: Path, port: int, folder: Path, *more: str) -> Sample:
    """`workflows dag run`, journal on, from the start of the interpreter."""
    command = str(Path(sys.executable).with_name("workflows"))
    args = [command, "dag", "run", "--dag-path", str(file), "--tr-auth-jwt", "none", "--json"]
    args += ["--tr-hostname", f"http://127.0.0.1:{port}", "--journal", str(folder), *more]
    return measured(args, environment(folder))


def raw(port: int, steps: int) -> Sample:
    """The bound: the same requests and nothing else."""
    args = [sys.executable, str(_HERE / "raw.py"), str(port), str(steps)]
    return measured(args, {"PATH": os.environ["PATH"]})


def environment(folder: Path) -> dict[str, str]:
    """PATH and a home, nothing of the developer's."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder)}


def counts(port: int) -> tuple[int, int, int]:
    """Submitted, looked at, submitted twice, since the runner began."""
    with urlopen(f"http://127.0.0.1:{port}/counts") as answer:
        posts, looks, twice = json.loads(answer.read())
    return posts, looks, twice
