"""Entry of the `workflows` command and of `python -m workflows`, as a Cloud Run Job calls it."""

from __future__ import annotations

import sys

from workflows.cli.main import run


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
