"""`workflows local up|status|down|publish|logs`: the whole embedded stack."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workflows.cli import catalog, output
from workflows.core.config import environment
from workflows.core.errors import CommandLineInvalid

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from workflows.local.stack import Stack

_STOP_S = 20.0
_TAIL = 200


def add_stack_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `local up`."""
    parser.add_argument(
        "--prefect", action="store_true", help="Start a Prefect server too, which takes 10 s more."
    )


def start_stack(found: argparse.Namespace) -> int:
    """Start everything, print the addresses, and stay until Ctrl-C or `local down`.

    Raises:
        CommandLineInvalid: it runs already.
        ProgramMissing: this is not a checkout of the repository.
    """
    from workflows.cli.local import servers
    from workflows.local import stack as local
    from workflows.tasks.utility import scratch_folder

    state = _state_file()
    if _alive(_state()):
        raise CommandLineInvalid("the stack runs already", fix="see `workflows local status`")
    with ExitStack() as opened:
        folder = opened.enter_context(scratch_folder("workflows-local-"))
        flows = list(catalog.FLOWS)
        running = opened.enter_context(local.running_stack(folder, flows, prefect=found.prefect))
        _write(state, running)
        opened.callback(state.unlink, missing_ok=True)
        return servers.wait_for_signal(_table(running) + "\nCtrl-C stops everything")


def show_stack_status(_: argparse.Namespace) -> int:
    """Print each part and whether it answers; exit code 1 if one does not."""
    from workflows.servers.serving import is_listening

    facts = _running()
    well = True
    for part in facts["parts"]:
        answers = is_listening(urlsplit(part["url"]).port or 80)
        well = well and answers
        output.say(f"{part['name']:<18}{'answers' if answers else 'SILENT':<9}{part['url']}")
    return 0 if well else 1


def stop_stack(_: argparse.Namespace) -> int:
    """Stop the stack and wait for its end, at most 20 seconds; exit code 1 if it goes on."""
    facts = _running()
    os.kill(facts["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while _alive(facts) and time.monotonic() < deadline:
        time.sleep(0.1)
    if _alive(facts):
        output.say_error(f"error: process {facts['pid']} does not end")
        return 1
    output.say("stopped")
    return 0


def publish_to_stack(found: argparse.Namespace) -> int:
    """Publish a message to the running stack's topic, as `workflows trigger` does."""
    from workflows.cli import trigger

    variables = _running()["variables"]
    for name in ("PUBSUB_EMULATOR_HOST", "WORKFLOWS_TOPIC"):
        environment.set_default(name, variables[name])
    return trigger.publish_trigger(found.flow, found.param, found.params, as_json=found.json)


def add_log_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `local logs`."""
    parser.add_argument("part", nargs="?", help="Name of the log (default: list the logs).")


def show_stack_logs(found: argparse.Namespace) -> int:
    """Print the last 200 lines of a log, or the names of all logs.

    Raises:
        CommandLineInvalid: there is no such log.
    """
    folder = Path(_running()["folder"])
    files = {file.stem: file for file in sorted(folder.rglob("*.log")) if file.stat().st_size}
    if found.part is None:
        output.say("\n".join(files) or "nothing was logged yet")
        return 0
    if found.part not in files:
        known = ", ".join(files) or "none yet"
        raise CommandLineInvalid(f"there is no log {found.part!r}", why=f"there is: {known}")
    lines = files[found.part].read_text(encoding="utf-8", errors="replace").splitlines()
    output.say("\n".join(lines[-_TAIL:]))
    return 0


def _table(running: Stack) -> str:
    lines = [f"{part.name:<18}{part.url}   {part.hint}".rstrip() for part in running.parts]
    exports = [f"export {name}={value}" for name, value in running.variables.items()]
    return "\n".join([*lines, "", *exports])


def _write(state: Path, running: Stack) -> None:
    """Write what runs to the state file, which only its owner may read: it holds tokens."""
    facts = {
        "pid": os.getpid(),
        "folder": str(running.folder),
        "parts": [{"name": one.name, "url": one.url} for one in running.parts],
        "variables": running.variables,
    }
    state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)


def _state_file() -> Path:
    return environment.state_folder() / "local.json"


def _state() -> dict[str, Any]:
    try:
        found = json.loads(_state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _running() -> dict[str, Any]:
    """What `local up` wrote to the state file.

    Raises:
        CommandLineInvalid: nothing runs.
    """
    facts = _state()
    if not _alive(facts):
        raise CommandLineInvalid("the stack does not run", fix="start it: `workflows local up`")
    return facts


def _alive(facts: Mapping[str, Any]) -> bool:
    pid = facts.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # no /proc here, or another user's process
        return Path("/proc").is_dir() is False
    return state != "Z"  # a zombie: it has ended
