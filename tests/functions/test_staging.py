"""The staged sources: whole, alone, and the same each time."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from workflows.core import process
from workflows.functions import staging

ROOT = Path(__file__).resolve().parent.parent.parent


def fingerprint(folder: Path) -> str:
    """Names, modes, times and bytes of every file."""
    parts = [
        f"{path.relative_to(folder)} {path.stat().st_mode} {path.stat().st_mtime_ns}"
        f" {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return "\n".join(parts)


def test_the_same_sources_make_the_same_folder(tmp_path: Path) -> None:
    staging.stage(tmp_path / "a")
    staging.stage(tmp_path / "b")
    (tmp_path / "b" / "workflow_trigger" / "left-over.py").write_text("")
    staging.stage(tmp_path / "b")

    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")


def test_a_function_has_all_it_needs_and_no_more(tmp_path: Path) -> None:
    for folder in staging.stage(tmp_path):
        names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert {
            "main.py",
            "requirements.txt",
            "workflows/__init__.py",
            "workflows/functions/cloud.py",
        } < names
        assert "workflows/trigger/catalog.json" in names
        core = {name for name in names if name.startswith("workflows/core/")}
        assert core == {
            "workflows/core/__init__.py",
            "workflows/core/http_status.py",
            "workflows/core/google/__init__.py",
            "workflows/core/google/executions.py",
        }
        assert not [name for name in names if name.endswith(".pyc")]


def test_the_command_says_where(tmp_path: Path) -> None:
    args = [sys.executable, "-S", "-m", "workflows.functions.staging"]
    env = {"PATH": "/usr/bin:/bin"}

    done = process.run([*args, str(tmp_path)], env=env, cwd=staging.PACKAGE.parent, timeout_s=30)
    wrong = process.run(args, env=env, cwd=staging.PACKAGE.parent, timeout_s=30, check=False)

    assert f"{tmp_path}/gitlab_webhook" in done.stdout.splitlines()
    assert wrong.exit_code == 2


def test_the_functions_lock_has_the_versions_that_are_tested() -> None:
    pinned = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    ours = dict(pinned.findall((ROOT / "requirements.txt").read_text()))
    text = (staging.PACKAGE / "functions" / "requirements.txt").read_text()

    theirs = dict(pinned.findall(text))

    assert {"functions-framework", "google-auth", "urllib3"} <= theirs.keys()
    assert theirs.items() <= ours.items()
    assert "://" not in text


def test_what_the_functions_take_along_needs_nothing_but_the_standard_library(
    tmp_path: Path,
) -> None:
    """`-S` leaves every installed package out."""
    folder = staging.stage(tmp_path)[0]
    modules = sorted(path.stem for path in (folder / "workflows" / "trigger").glob("[a-z]*.py"))
    code = (
        f"import sys; sys.path.insert(0, '.')\nfrom workflows.trigger import {', '.join(modules)}"
        "\nfrom workflows.core import http_status\nfrom workflows.core.google import executions"
    )

    done = process.run([sys.executable, "-I", "-S", "-c", code], env={}, cwd=folder, timeout_s=30)

    assert done.stderr == ""
    assert {"authenticity", "dispatch", "envelope", "limits", "message", "webhook"} == set(modules)
