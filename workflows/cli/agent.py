"""`workflows agent …`: the coding agents, which are programs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli import output

if TYPE_CHECKING:
    import argparse

AGENTS = ("pluscoder",)


def install_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of `agent install`."""
    parser.add_argument("name", choices=AGENTS, help="which agent")
    parser.add_argument(
        "--folder", metavar="DIR", help="where to (default: a folder that runs look into)"
    )


def install_agent(found: argparse.Namespace) -> int:
    """Install it, or find that it is installed; exit code 0 either way."""
    from workflows.tasks.agents.pluscoder import install  # noqa: PLC0415

    folder = Path(found.folder) if found.folder else install.default_folder()
    new = install.install_pluscoder(folder, output.say)
    output.say(f"PlusCoder in {folder} is ready" + ("" if new else ", and was before"))
    return 0
