"""From publishing a message to the first line of its flow, through the local stack.

Pub/Sub pushes to the trigger function (functions-framework), which has Cloud Run's stand-in start
`python -m workflows`. What the parts take is told by the parts themselves: when a request came, an
execution was made, its process ran, its first line was written. The same flow, started by hand in
turn with the messages, shows what of it is the chain's own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.timing import LIMIT_S, clean_environment
from workflows.local import pubsub, stack

if TYPE_CHECKING:
    from workflows.local.cloud_run import CloudRunExecution

_FLOW = "hello_world"
_MESSAGES = 9
_LOOK_S = 0.02
Parts = dict[str, float]


def measure() -> dict[str, Any]:
    """Median milliseconds of the whole and its parts; the ratio is the median pair by pair."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with stack.running_stack(folder / "stack", [_FLOW]) as up:
            pairs = [
                (_through_the_chain(up, n), _by_itself(up, folder, n))
                for n in range(_MESSAGES + 1)  # the first one warms up
            ][1:]
            (kind,) = [part.hint.split(";")[0] for part in up.parts if part.name == "Pub/Sub"]
    chain = [parts for parts, _ in pairs]
    totals = [sum(parts.values()) for parts in chain]
    alone = [seconds for _, seconds in pairs]
    return {
        "name": "chain_latency",
        "ratio": round(statistics.median(a / b for a, b in zip(totals, alone, strict=True)), 2),
        "total_ms": _median_ms(totals),
        "parts_ms": {name: _median_ms([one[name] for one in chain]) for name in chain[0]},
        "flow_alone_ms": _median_ms(alone),
        "pubsub": kind.removeprefix("the "),
    }


def _through_the_chain(up: stack.Stack, number: int) -> Parts:
    """Seconds of each part for one message, in the order of the way."""
    cloud = up.cloud_run
    asked, started = len(cloud.seen), len(cloud.executions)
    parameters = {"git_url": _git_url(up), "branch": f"chain-{number}"}
    data = json.dumps({"workflow": _FLOW, "parameters": parameters}).encode()
    queue = f"http://{up.variables['PUBSUB_EMULATOR_HOST']}"
    published = time.time()
    pubsub.publish_bytes(queue, stack.TOPIC, data)
    deadline = time.monotonic() + LIMIT_S
    while len(cloud.executions) == started:  # what is timed is told below, not by this loop
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing was started; see {up.logs}")
        time.sleep(_LOOK_S)
    execution = cloud.executions[started]
    _succeed(cloud.wait(execution, LIMIT_S), execution)
    (task,) = execution.tasks
    times = [
        published,
        cloud.seen[asked].at,
        _seconds(execution.create_time),
        _seconds(task.start_time),
        _first_line(execution.log()),
    ]
    names = (
        "publish_to_function_asks",
        "function_asks_to_execution",
        "execution_to_process",
        "process_to_first_line",
    )
    return {name: times[n + 1] - times[n] for n, name in enumerate(names)}


def _succeed(state: str, execution: CloudRunExecution) -> None:
    if state != "succeeded":
        raise RuntimeError(f"{execution.id} {state}: {execution.log()}")


def _by_itself(up: stack.Stack, folder: Path, number: int) -> float:
    """Seconds from starting the same flow by hand to its first line."""
    job = {
        "HOME": str(folder),
        "WORKFLOW_NAME": _FLOW,
        "CLOUD_RUN_JOB": "by-hand",
        "GITLAB_URL": up.variables["GITLAB_URL"],
        "GITLAB_TOKEN": up.variables["GITLAB_TOKEN"],
    }
    flags = [f"--git_url={_git_url(up)}", f"--branch=alone-{number}"]
    begun = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "workflows", *flags],
        env=clean_environment(job),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{_FLOW} ended with {done.returncode}: {done.stdout.decode()}")
    return _first_line(done.stdout.decode()) - begun


def _git_url(up: stack.Stack) -> str:
    return f"{up.variables['GITLAB_URL']}/{up.variables['GITLAB_PROJECT']}.git"


def _first_line(log: str) -> float:
    """When the first line of a job's log was written, in Unix seconds."""
    return _seconds(json.loads(log.splitlines()[0])["time"])


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _median_ms(seconds: list[float]) -> int:
    return round(statistics.median(seconds) * 1000)
