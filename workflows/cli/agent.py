"""`workflows agent install`: installs a coding agent, which is a program of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli import output

if TYPE_CHECKING:
    import argparse

AGENTS = ("pluscoder",)


def add_install_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of `agent install`."""
    parser.add_argument("name", choices=AGENTS, help="The agent to install.")
    parser.add_argument(
        "--folder",
        metavar="DIR",
        help="Folder to install it in (default: one that flows look into).",
    )


def install_agent(found: argparse.Namespace) -> int:
    """Install it, or find that it is installed; exit code 0 either way."""
    from workflows.tasks.agents.pluscoder import install

    folder = Path(found.folder) if found.folder else install.default_folder()
    new = install.install_pluscoder(folder, output.say)
    output.say(f"PlusCoder in {folder} is ready" + ("" if new else ", and was before"))
    return 0
