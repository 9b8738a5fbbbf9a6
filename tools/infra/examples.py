"""Puts the example of every module's README into one FOLDER that Terraform can check.

An example is the one ```hcl block of a README, written for a reader who is in infrastructure/.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

MODULES = Path(__file__).resolve().parents[2] / "infrastructure" / "modules"
_BLOCK = re.compile(r"```hcl\n(.*?)```", re.DOTALL)


def example(readme: Path) -> str:
    """The example of one README.

    Raises:
        ValueError: there is none, or more than one.
    """
    blocks = _BLOCK.findall(readme.read_text(encoding="utf-8"))
    if len(blocks) != 1:
        raise ValueError(f"{readme}: {len(blocks)} examples, where there must be one")
    return str(blocks[0])


def main(folder: Path) -> None:
    """Write an example's file for each module."""
    folder.mkdir(parents=True, exist_ok=True)
    for readme in sorted(MODULES.glob("*/README.md")):
        text = example(readme).replace('"./modules/', '"../infrastructure/modules/')
        (folder / f"{readme.parent.name}.tf").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
