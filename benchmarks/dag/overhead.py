"""`workflows dag run` against the same requests by a raw client, in one run.

Layered steps of zero length; the whole command: interpreter, file, journal. Each of ours stands
beside a raw one just before it, so that a drifting machine cancels out.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.dag import bench
from benchmarks.dag.shapes import as_yaml, layered

_ROUNDS = {1_000: 5, 10_000: 3, 50_000: 3}
_WALL = {1_000: 8.0, 10_000: 2.2, 50_000: 3.0}


def measure() -> dict[str, Any]:
    """Ratios of wall and CPU to the bound, and peak memory, for each size."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = {str(count): _size(count, Path(folder)) for count in _ROUNDS}
    return {
        "name": "dag_overhead",
        "targets": "wall <= 8 at 1,000, <= 2.2 at 10,000, <= 3 above; at 10,000 CPU <= 4.5, 80 MB",
        **sizes,
    }


def _size(count: int, folder: Path) -> dict[str, Any]:
    file = folder / f"{count}.yaml"
    file.write_text(as_yaml("layered", layered(count)))
    pairs = []
    for _ in range(_ROUNDS[count]):
        with bench.runner() as port:
            bound = bench.raw(port, count)
        with bench.runner() as port:
            sample = bench.ours(file, port, folder)
            assert bench.counts(port)[::2] == (count, 0), "a step did not run exactly once"
        pairs.append((sample, bound))
    wall = statistics.median(a.wall_s / b.wall_s for a, b in pairs)
    return {
        "wall_s": round(statistics.median(a.wall_s for a, _ in pairs), 3),
        "bound_s": round(statistics.median(b.wall_s for _, b in pairs), 3),
        "wall_ratio": round(wall, 2),
        "wall_target": _WALL[count],
        "cpu_ratio": round(statistics.median(a.cpu_s / b.cpu_s for a, b in pairs), 2),
        "cpu_s": round(statistics.median(a.cpu_s for a, _ in pairs), 3),
        "rss_mb": round(max(a.rss_mb for a, _ in pairs), 1),
    }
