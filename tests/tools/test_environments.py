"""The scripts that make environments, when two of them run at once."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
SCRIPTS = {
    "create_env.sh": ("venv", ".venv", sys.executable),
    "create_infra.sh": (".venv", sys.executable),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts, and locks of nothing."""
    shutil.copytree(TOOLS, tmp_path / "tools")
    for name in ("requirements.txt", "requirements-infra.txt", "pyproject.toml"):
        (tmp_path / name).write_text("")
    return tmp_path


def start(checkout: Path, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["sh", f"tools/{script}", *SCRIPTS[script]],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_waits_for_another_that_makes_the_same_environment(checkout: Path, script: str) -> None:
    """What the other has made is taken as it is."""
    environment = checkout / ".venv"
    with (checkout / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = start(checkout, script)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "python").symlink_to(sys.executable)
        (environment / ".ready").write_text(f"{checkout.resolve()}\n")

    out, _ = waiting.communicate(timeout=30)

    assert (waiting.returncode, out) == (0, "")
    assert sorted(path.name for path in environment.rglob("*")) == [".ready", "bin", "python"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_environment_of_another_checkout_is_not_made_anew(checkout: Path, script: str) -> None:
    """A link to it is refused: `venv --clear` would empty the other's folder."""
    other = checkout / "other"
    other.mkdir()
    (other / "kept").touch()
    (checkout / ".venv").symlink_to(other)

    refused = start(checkout, script)
    out, _ = refused.communicate(timeout=30)

    assert refused.returncode == 1
    assert ".venv is a link" in out
    assert [path.name for path in other.iterdir()] == ["kept"]
