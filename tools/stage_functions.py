"""Put together the sources of the Cloud Functions, ready to be zipped: `stage_functions.py FOLDER`.

Below FOLDER each function gets a folder of its own: its `main.py`, the `cloud.py` and
`requirements.txt` that all share, and a copy of `workflows/trigger`. The same sources make the
same folder to the byte, times and modes included, so an archive of it changes only with them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ("workflow_trigger", "gitlab_webhook", "http_publisher")
_EPOCH = 315_532_800  # 1980-01-01, the first time a zip can hold


def stage(folder: Path) -> list[Path]:
    """Make the folders anew and return them; what else is in `folder` stays."""
    staged = []
    for name in FUNCTIONS:
        target = folder / name
        if target.exists():
            shutil.rmtree(target)
        for source, inside in _files(name):
            copy = target / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o644)
            os.utime(copy, (_EPOCH, _EPOCH))
        staged.append(target)
    return staged


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """Each source file of a function, and where it goes."""
    infrastructure = ROOT / "infrastructure"
    yield infrastructure / name / "main.py", "main.py"
    for shared in ("cloud.py", "requirements.txt"):
        yield infrastructure / "shared" / shared, shared
    yield ROOT / "workflows" / "__init__.py", "workflows/__init__.py"
    trigger = ROOT / "workflows" / "trigger"
    for source in sorted([*trigger.glob("*.py"), trigger / "catalog.json"]):
        yield source, f"workflows/trigger/{source.name}"


def main(words: Sequence[str]) -> int:
    """Stage below the folder named; exit code 2 without one."""
    if len(words) != 1:
        sys.stderr.write("usage: stage_functions.py FOLDER\n")
        return 2
    for target in stage(Path(words[0])):
        sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
