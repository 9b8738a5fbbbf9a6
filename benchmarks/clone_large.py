"""Our clone against plain `git clone` of 20,000 files with 200 MB of history, checked out both."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from benchmarks import servers
from benchmarks.timing import Sample, alternate, clean_environment, median, ratio, timed

_FILES = 20_000
_OLD_VERSIONS = 200
_OLD_BYTES = 1_000_000
_WHO = "Bench <bench@localhost> 1735689600 +0000"


def measure() -> dict[str, Any]:
    """Wall-time ratio, median of 5 pairs, and the bytes each clone fetched."""
    with tempfile.TemporaryDirectory() as name, servers.git_server(Path(name)) as server:
        scratch = Path(name)
        _fill(server.root / "acme/shop.git")
        env = clean_environment({"GIT_TOKEN": server.token})
        plain_url = server.url.replace("://", f"://oauth2:{server.token}@")
        fetched: dict[str, int] = {}

        def clone(kind: str, args: list[str]) -> Sample:
            target = scratch / kind
            sample = timed([*args, str(target)], env=env, cwd=Path.cwd())
            if len(list(target.rglob("f*.txt"))) != _FILES:
                raise RuntimeError(f"the {kind} clone lacks files")
            packs = (target / ".git/objects/pack").glob("*.pack")
            fetched[kind] = sum(pack.stat().st_size for pack in packs)
            shutil.rmtree(target)
            return sample

        ours, plain = alternate(
            lambda _: clone("ours", [sys.executable, "-m", "benchmarks.clone_once", server.url]),
            lambda _: clone("plain", ["git", "clone", "--quiet", plain_url]),
        )
    return {
        "name": "clone_large",
        "ratio": round(ratio(ours, plain), 2),
        "target": 0.5,
        "wall_s": round(median(ours, "wall_s"), 2),
        "plain_wall_s": round(median(plain, "wall_s"), 2),
        "fetched_bytes": fetched["ours"],
        "plain_fetched_bytes": fetched["plain"],
    }


def _fill(repository: Path) -> None:
    """Give `main` a history of incompressible old versions of one file, then 20,000 small files."""
    args = ["git", f"--git-dir={repository}", "fast-import", "--quiet", "--force"]
    with subprocess.Popen(args, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        for number in range(_OLD_VERSIONS):
            _commit(child.stdin, f"version {number}")
            _file(child.stdin, "asset.bin", _noise(number, _OLD_BYTES))
        _commit(child.stdin, "many files")
        _file(child.stdin, "asset.bin", b"small now\n")
        for number in range(_FILES):
            name = f"d{number % 200}/f{number}.txt"
            _file(child.stdin, name, _noise(number, 64).hex().encode() + b"\n")
    if child.returncode:
        raise RuntimeError("fast-import failed")


def _commit(out: IO[bytes], message: str) -> None:
    out.write(
        f"commit refs/heads/main\ncommitter {_WHO}\ndata {len(message)}\n{message}\n".encode()
    )


def _file(out: IO[bytes], name: str, data: bytes) -> None:
    out.write(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")


def _noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return hashlib.shake_256(seed.to_bytes(8, "big")).digest(size)
