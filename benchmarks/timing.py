"""Time whole processes in pairs, A B A B, so that a drifting machine speed cancels out."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LIMIT_S = 300


@dataclass(frozen=True)
class Sample:
    """One run of a process: wall and CPU seconds, its children included, and its last line."""

    wall_s: float
    cpu_s: float
    last_line: str = ""


def timed(args: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Sample:
    """Run a process to its end; of its output the last line is kept.

    Raises:
        RuntimeError: it did not exit with 0; a benchmark of a failure means nothing.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        args, env=dict(env), cwd=cwd, capture_output=True, check=False, timeout=LIMIT_S
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{args} exited with {done.returncode}: {done.stderr.decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    *_, last = done.stdout.decode(errors="replace").splitlines() or [""]
    return Sample(wall, cpu, last)


def alternate(
    ours: Callable[[int], Sample], theirs: Callable[[int], Sample], rounds: int = 5
) -> tuple[list[Sample], list[Sample]]:
    """One warm-up of each, then `rounds` pairs. The callables get a number, new each time."""
    pairs = [(ours(n), theirs(n)) for n in range(rounds + 1)][1:]
    return [a for a, _ in pairs], [b for _, b in pairs]


def ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    """Median of the ratios pair by pair, of wall time."""
    return statistics.median(a.wall_s / b.wall_s for a, b in zip(ours, theirs, strict=True))


def median(samples: Sequence[Sample], name: str) -> float:
    """Median of `wall_s` or `cpu_s`."""
    return float(statistics.median(getattr(sample, name) for sample in samples))


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """PATH and what is given: nothing of the developer's settings."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **extra}
