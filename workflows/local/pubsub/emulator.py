"""Google's Pub/Sub emulator as a child process: a jar of the Cloud SDK, run by Java."""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from workflows.core import process
from workflows.core.config import environment
from workflows.servers.serving import HOST, PLAIN_HTTP

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_S = 60.0
_PAUSE_S = 0.05
_INSIDE = "platform/pubsub-emulator/lib"
_SDKS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
    "~/google-cloud-sdk",
)


class Emulator(NamedTuple):
    """The paths that are needed to run the emulator."""

    java: str
    jar: Path


def find_emulator() -> Emulator | None:
    """The emulator of the SDK that `gcloud` on PATH belongs to, or in a usual place, with a Java.

    None: one of the two is missing. No process is started.
    """
    java = shutil.which("java")
    gcloud = shutil.which("gcloud")
    folders = [Path(folder).expanduser() for folder in _SDKS]
    if gcloud:
        folders = [*Path(gcloud).resolve().parents[:3], *folders]
    jars = (jar for folder in folders for jar in _jars(folder))
    jar = next(jars, None)
    return Emulator(java, jar) if java and jar else None


def _jars(sdk: Path) -> list[Path]:
    """The newest first."""
    return sorted((sdk / _INSIDE).glob("cloud-pubsub-emulator-*.jar"), reverse=True)


@contextmanager
def running_emulator(found: Emulator, folder: Path, *, port: int = 0) -> Iterator[str]:
    """Run the emulator for as long as the block lasts and yield its base URL.

    `folder` gets its log. Port 0 picks a free one.

    Raises:
        OSError: the port is taken.
        RuntimeError: it did not answer in time; its log is in the text.
    """
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((HOST, port))
        port = free.getsockname()[1]
    log = folder / "pubsub-emulator.log"
    # Small limits: by default the JVM takes them from the size of the machine.
    args = [found.java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-jar", str(found.jar)]
    env = environment.for_child({"HOME": str(folder)}.items())
    with process.background([*args, f"--host={HOST}", f"--port={port}"], env=env, log=log) as child:
        url = f"http://{HOST}:{port}"
        deadline = time.monotonic() + _START_S
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-2_000:]
                raise RuntimeError(f"the Pub/Sub emulator did not start:\n{said}")
            time.sleep(_PAUSE_S)
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False, verify=PLAIN_HTTP).is_success
    except httpx.HTTPError:
        return False
