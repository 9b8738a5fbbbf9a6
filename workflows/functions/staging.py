"""The sources of the Cloud Functions, ready to be zipped: `python -m workflows.functions.staging`.

In the given folder, each function gets a folder of its own: a `main.py` that names its entry point,
`requirements.txt`, and the part of the package that it needs: `functions`, `trigger`, and the pure
modules of `core` in `CORE`. The same sources make the same folder to the byte, times and modes
included, so an archive of it changes only if a source changes. Standard library only: Terraform's
wrapper runs it without the lock.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE = Path(__file__).resolve().parent.parent
ENTRY_POINTS = {
    "workflow_trigger": "trigger",
    "gitlab_webhook": "gitlab_webhook",
    "http_publisher": "http_publisher",
}
CORE = ("__init__", "http_status", "google/__init__", "google/executions")
_MAIN = "from workflows.functions.{function} import {entry_point}  # noqa: F401\n"
_EPOCH = 315_532_800  # 1980-01-01, the first time a zip can hold


def stage(folder: Path) -> list[Path]:
    """Make the folders anew and return them; what else is in `folder` stays."""
    staged = []
    for name, entry_point in ENTRY_POINTS.items():
        target = folder / name
        if target.exists():
            shutil.rmtree(target)
        _write(target / "main.py", _MAIN.format(function=name, entry_point=entry_point).encode())
        for source, inside in _files(name):
            _write(target / inside, source.read_bytes())
        staged.append(target)
    return staged


def _write(copy: Path, content: bytes) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(content)
    copy.chmod(0o644)
    os.utime(copy, (_EPOCH, _EPOCH))


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """Each source file of a function, and where it goes."""
    functions, trigger = PACKAGE / "functions", PACKAGE / "trigger"
    yield functions / "requirements.txt", "requirements.txt"
    sources = [PACKAGE / "__init__.py"]
    sources += [functions / f"{module}.py" for module in ("__init__", "cloud", name)]
    sources += [PACKAGE / "core" / f"{module}.py" for module in CORE]
    sources += sorted([*trigger.glob("*.py"), trigger / "catalog.json"])
    for source in sources:
        yield source, f"workflows/{source.relative_to(PACKAGE).as_posix()}"


def main(words: Sequence[str]) -> int:
    """Stage below the folder named; exit code 2 without one."""
    if len(words) != 1:
        sys.stderr.write("usage: python -m workflows.functions.staging FOLDER\n")
        return 2
    for target in stage(Path(words[0])):
        sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
