"""How close a run comes to the critical path, and at how many looks, on real workflow shapes.

1,000 tasks, log-normal durations, median 2 s and sigma 1, `SCALE` times faster; a plain runner
without long polls. A later run of the same workflow knows the durations of the first; measured is
the first.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.dag import bench
from benchmarks.dag.shapes import as_yaml, durations, epigenomics, longest_path_s, montage

if TYPE_CHECKING:
    from benchmarks.dag.shapes import Step

SCALE = 5
_SEEDS = (1, 2, 3)


def measure() -> dict[str, Any]:
    """Makespan over critical path (from the run's start to its end) and looks a job."""
    shapes = {"montage": montage(1_000), "epigenomics": epigenomics(1_000)}
    found = {name: _shape(name, steps) for name, steps in shapes.items()}
    return {"name": "dag_makespan", "targets": "ratio <= 1.06 at <= 3.0 looks", **found}


def _shape(name: str, steps: list[Step]) -> dict[str, Any]:
    ratios, looks = [], []
    for seed in _SEEDS:
        took_s = durations(steps, median_s=2 / SCALE, sigma=1, seed=seed)
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            times, file = folder / "times.json", folder / "dag.yaml"
            times.write_text(json.dumps(took_s))
            file.write_text(as_yaml(name, steps))
            with bench.runner(times) as port:
                interval = f"--poll-interval={1 / SCALE}"  # the default, scaled like the rest
                facts = json.loads(bench.ours(file, port, folder, interval).stdout)
        ratios.append(facts["duration_s"] / longest_path_s(steps, took_s))
        looks.append(facts["looks"] / len(steps))
    return {
        "steps": len(steps),
        "ratio": round(statistics.mean(ratios), 3),
        "worst": round(max(ratios), 3),
        "looks": round(statistics.mean(looks), 2),
    }
