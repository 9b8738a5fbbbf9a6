"""Installing PlusCoder: once, whole, and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT
from workflows.core.config.settings import load
from workflows.core.errors import ParametersInvalid, ProcessFailed
from workflows.tasks.agents.pluscoder import install
from workflows.tasks.agents.pluscoder.backend import PlusCoder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Cli

TABLES = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir()"


@pytest.fixture
def small_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of no packages in place of 1.5 GB; the environment around it is real."""
    lock, tables = tmp_path / "requirements.txt", tmp_path / "tables.py"
    lock.write_text("# nothing\n")
    tables.write_text(TABLES)
    monkeypatch.setattr(install, "LOCK", lock)
    monkeypatch.setattr(install, "_TOKENIZERS", tables)
    return lock


def test_it_is_installed_once_and_anew_when_the_lock_changes(
    tmp_path: Path, small_lock: Path
) -> None:
    folder = tmp_path / "agents" / "pluscoder"
    said: list[str] = []

    first = install.install_pluscoder(folder, said.append)
    second = install.install_pluscoder(folder, said.append)
    small_lock.write_text("# something else\n")
    third = install.install_pluscoder(folder, said.append)

    assert (first, second, third) == (True, False, True)
    assert install.is_installed(folder)
    assert (folder / ".env").read_text() == ""  # what PlusCoder reads in place of an operator's
    assert (folder / "tiktoken-cache").is_dir()
    assert len(said) == 2


def test_an_installation_that_failed_is_not_taken_for_one(tmp_path: Path, small_lock: Path) -> None:
    folder = tmp_path / "pluscoder"
    small_lock.write_text(f"./nowhere-1-py3-none-any.whl --hash=sha256:{'0' * 64}\n")

    with pytest.raises(ProcessFailed, match="could not be installed"):
        install.install_pluscoder(folder, lambda _: None)

    assert not install.is_installed(folder)


@pytest.mark.usefixtures("small_lock")
def test_a_link_is_refused_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir()
    (target / "file").write_text("kept")
    link.symlink_to(target)

    with pytest.raises(ParametersInvalid, match="is a link"):
        install.install_pluscoder(link, lambda _: None)

    assert (target / "file").read_text() == "kept"


def test_outside_a_checkout_it_is_looked_for_among_the_users_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "workflows" / "agents" / "pluscoder"
    program = folder / "bin" / "pluscoder"
    program.parent.mkdir(parents=True)
    for path in (program, folder / "bin" / "python", folder / ".ready"):
        path.write_text("#!/bin/sh")
        path.chmod(0o755)

    assert install.default_folder() == folder
    assert PlusCoder(load()).program() == program


def test_in_a_checkout_it_is_beside_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_CHECKOUT", ROOT)

    assert install.default_folder() == ROOT / ".venv-pluscoder"


def test_the_command_knows_its_agents_and_takes_a_folder(cli: Cli) -> None:
    wrong = cli("agent", "install", "emacs")
    shown = cli("agent", "install", "--help")

    assert wrong.exit_code == 2
    assert "pluscoder" in wrong.stderr
    assert "--folder" in shown.stdout
