"""Run the benchmarks named as arguments, or all; one JSON object each on stdout."""

from __future__ import annotations

import importlib
import json
import sys

NAMES = (
    "startup",
    "hello_world_overhead",
    "clone_large",
    "resolve_issue_overhead",
    "embedded_gitlab",
    "trigger_cold_start",
    "trigger_throughput",
    "chain_latency",
    "dag_overhead",
    "dag_makespan",
    "dag_peers",
)


def main(names: list[str]) -> int:
    """Run them in order; unknown names are refused before anything runs."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(unknown)}; there is: {', '.join(NAMES)}\n")
        return 2
    for name in names or NAMES:
        result = importlib.import_module(f"benchmarks.{name.replace('dag_', 'dag.')}").measure()
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
