"""Importing the trigger function's module against an empty interpreter: what a cold start pays."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.timing import alternate, clean_environment, median, ratio, timed
from workflows.functions import staging

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROUNDS = 7


def function_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What Terraform sets on the trigger function, and no way to the cloud."""
    return clean_environment(
        {
            "WORKFLOW_JOBS": json.dumps({"hello_world": "workflows-hello-world"}),
            "WORKFLOWS_PROJECT": "p",
            "WORKFLOWS_REGION": "r",
            "WORKFLOWS_DEAD_LETTER_TOPIC": "projects/p/topics/dead",
            **extra,
        }
    )


def measure() -> dict[str, Any]:
    """Median wall times: the whole module, its framework alone, and our pure part alone."""
    with tempfile.TemporaryDirectory() as scratch:
        staging.stage(Path(scratch))
        folder = Path(scratch) / "workflow_trigger"
        env = function_environment({})

        def importing(what: str) -> list[str]:
            return [sys.executable, "-c", what]

        whole, empty = alternate(
            lambda _: timed(importing("import main"), env=env, cwd=folder),
            lambda _: timed(importing("pass"), env=env, cwd=folder),
            rounds=_ROUNDS,
        )
        framework, pure = alternate(
            lambda _: timed(importing("import functions_framework"), env=env, cwd=folder),
            lambda _: timed(
                importing("import workflows.trigger.dispatch, workflows.trigger.envelope"),
                env=env,
                cwd=folder,
            ),
            rounds=_ROUNDS,
        )
    interpreter = median(empty, "wall_s")
    return {
        "name": "trigger_cold_start",
        "ratio": round(ratio(whole, empty), 1),
        "wall_s": round(median(whole, "wall_s"), 3),
        "empty_interpreter_s": round(interpreter, 3),
        "functions_framework_s": round(median(framework, "wall_s") - interpreter, 3),
        "workflows_trigger_s": round(median(pure, "wall_s") - interpreter, 3),
    }
