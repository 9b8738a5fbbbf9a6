"""`make release VERSION=1.2.3`: changelog, artefacts, commit and tag of a release; pushes nothing.

Nothing is changed before everything was checked and the artefacts were built, so a release that
fails can simply be started again. The version is in no file: it is the tag's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import sys
from pathlib import Path

from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import WorkflowsError

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_HEADING = "## Unreleased\n"
_BUILD_TIMEOUT_S = 600


class CannotRelease(Exception):
    """Why there is no release; nothing was changed."""


def release(folder: Path, version: str, today: dt.date) -> list[Path]:
    """Make the release in the repository `folder`; return the artefacts, below `dist/`.

    Raises:
        CannotRelease: the message has a line for everything that is in the way.
    """
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    problems = _problems(folder, version, text)
    if problems:
        raise CannotRelease("\n".join(problems))
    artefacts = _build(folder, version)
    heading = f"{_HEADING}\n## {version} - {today.isoformat()}\n"
    changelog.write_text(text.replace(_HEADING, heading, 1), encoding="utf-8")
    _git(folder, "commit", "-q", "-m", f"Release {version}", "CHANGELOG.md")
    _git(folder, "tag", "-a", f"v{version}", "-m", f"Workflows {version}")
    return artefacts


def _problems(folder: Path, version: str, changelog: str) -> list[str]:
    problems = []
    if not _VERSION.fullmatch(version):
        problems.append(f"{version!r} is no version such as 1.2.3; set VERSION=")
    elif _numbers(version) <= max(map(_numbers, _released(folder)), default=(-1,)):
        problems.append(f"{version} does not come after {_released(folder)[-1]}")
    if _git(folder, "status", "--porcelain"):
        problems.append("there are uncommitted changes; commit or stash them")
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    if branch != "main":
        problems.append(f"the branch is {branch}; releases are made on main")
    _, found, after = changelog.partition(_HEADING)
    if not found or not after.split("\n## ")[0].strip():
        problems.append(f"CHANGELOG.md has nothing below {_HEADING.strip()!r}")
    return problems


def _released(folder: Path) -> list[str]:
    """Versions that have a tag, in order."""
    tags = (tag.removeprefix("v") for tag in _git(folder, "tag", "--list", "v*").split())
    return sorted((tag for tag in tags if _VERSION.fullmatch(tag)), key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _build(folder: Path, version: str) -> list[Path]:
    """Source archive, wheel and their SHA-256 sums; the version is that of the tag to come."""
    target = folder / "dist"
    args = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(folder)]
    env = environment.whole() | {"SETUPTOOLS_SCM_PRETEND_VERSION": version}
    process.run(args, env=env, cwd=folder, timeout_s=_BUILD_TIMEOUT_S)
    artefacts = sorted(target.glob(f"workflows-{version}*"))
    sums = target / f"SHA256SUMS-{version}"
    lines = (f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in artefacts)
    sums.write_text("".join(lines), encoding="utf-8")
    return [*artefacts, sums]


def _git(folder: Path, *args: str) -> str:
    env = environment.whole()
    return process.run(["git", *args], env=env, cwd=folder, timeout_s=60).stdout.strip()


def main(words: list[str]) -> int:
    """Exit code 0 with what to do next; 2 with everything that is in the way."""
    version = words[0] if words else ""
    today = dt.datetime.now(tz=dt.UTC).date()
    try:
        artefacts = release(Path.cwd(), version, today)
    except CannotRelease as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except WorkflowsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for artefact in artefacts:
        print(artefact)
    print(f"Release {version} is committed and tagged here. To publish it:")
    print(f"  git push origin main v{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
