"""gcloud and terraform, as the make targets call them: refused in one line, run, read.

What is deployed is read from Terraform's outputs, so that no name is written twice.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "build" / "images.tfvars.json"
_INFRASTRUCTURE = ROOT / "infrastructure"
_TIMEOUT_S = 3600.0  # a build of the images takes minutes
_MAX_OUTPUT_BYTES = 16_000_000


class Refused(Exception):
    """What was asked cannot be done as things are; the message is one line that says what to do."""


def main(action: Callable[[], int]) -> int:
    """Run `action`; a refusal is a line on stderr and exit code 1."""
    try:
        return action()
    except Refused as refused:
        sys.stderr.write(f"{Path(sys.argv[0]).stem.replace('_', '-')}: {refused}\n")
        return 1


def ready() -> dict[str, Any]:
    """The outputs of the deployment, once the tools, the login and a deployment are there."""
    for tool in ("gcloud", "terraform"):
        if shutil.which(tool) is None:
            raise Refused(f"{tool} is not on PATH; docs/deploy.md says what is needed")
    if not gcloud("auth", "list", "--filter=status:ACTIVE", "--format=value(account)"):
        raise Refused("nobody is logged in; run: gcloud auth login")
    return outputs()


def outputs() -> dict[str, Any]:
    """Terraform's outputs by name."""
    done = _run("terraform", f"-chdir={_INFRASTRUCTURE}", "output", "-json")
    found = json.loads(done.stdout or "{}") if done.exit_code == 0 else {}
    if not found:
        raise Refused("no deployment is known here; run: make infra-init infra-apply")
    return {name: output["value"] for name, output in found.items()}


def gcloud(*args: str) -> str:
    """What gcloud printed.

    Raises:
        Refused: gcloud failed; its last line says why.
    """
    done = _run("gcloud", *args)
    if done.exit_code != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.exit_code}"]
        raise Refused(f"gcloud {' '.join(args[:3])}: {lines[-1]}")
    return done.stdout.strip()


def describe(*args: str) -> dict[str, Any] | None:
    """A resource as gcloud describes it, or None where there is none that this login may see."""
    done = _run("gcloud", *args, "--format=json")
    if done.exit_code != 0:
        return None
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def _run(*args: str) -> process.Completed:
    return process.run(
        list(args),
        env=environment.whole(),
        timeout_s=_TIMEOUT_S,
        check=False,
        max_output_bytes=_MAX_OUTPUT_BYTES,
    )
