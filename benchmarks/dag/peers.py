"""`workflows dag run` against a thread pool with httpx, and against dask where it is installed.

The same file, the same runner; the peers check nothing, keep no journal and recover from nothing.
dask is no dependency: `uv pip install dask` before, else it is left out.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.dag import bench
from benchmarks.dag.shapes import as_yaml, layered

_STEPS = 10_000
_HERE = Path(__file__).parent


def measure() -> dict[str, Any]:
    """Wall seconds of each, and how many times faster ours is than the best of the others."""
    peers = {"script": "peer_script.py"}
    if importlib.util.find_spec("dask") is not None:
        peers["dask"] = "peer_dask.py"
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        file = folder / "dag.yaml"
        file.write_text(as_yaml("layered", layered(_STEPS)))
        with bench.runner() as port:
            mine = bench.ours(file, port, folder).wall_s
        walls = {}
        for name, script in peers.items():
            with bench.runner() as port:
                args = [sys.executable, str(_HERE / script), str(file), str(port)]
                walls[name] = bench.measured(args, bench.environment(folder)).wall_s
    return {
        "name": "dag_peers",
        "target": 20,
        "times_faster": round(min(walls.values()) / mine, 1),
        "ours_s": round(mine, 2),
        **{f"{name}_s": round(wall, 2) for name, wall in walls.items()},
    }
