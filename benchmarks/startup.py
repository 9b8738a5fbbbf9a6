"""`workflows --help` against an empty interpreter, and proof that prefect stays out of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.timing import alternate, clean_environment, median, timed

_ALLOWED_FACTOR, _ALLOWED_S = 3, 0.15


def measure() -> dict[str, Any]:
    """Median wall times of both, and the most that `--help` may take."""
    env = clean_environment({})
    command = str(Path(sys.executable).with_name("workflows"))
    ours, empty = alternate(
        lambda _: timed([command, "--help"], env=env, cwd=Path.cwd()),
        lambda _: timed([sys.executable, "-c", "pass"], env=env, cwd=Path.cwd()),
        rounds=9,
    )
    probe = (
        "import sys, workflows.cli.main as m; m.run_command_line(['--help']);"
        "sys.exit('prefect' in sys.modules)"
    )
    timed([sys.executable, "-c", probe], env=env, cwd=Path.cwd())
    interpreter = median(empty, "wall_s")
    return {
        "name": "startup",
        "wall_s": round(median(ours, "wall_s"), 3),
        "target_s": round(_ALLOWED_FACTOR * interpreter + _ALLOWED_S, 3),
        "empty_interpreter_s": round(interpreter, 3),
        "prefect_imported": False,
    }
