"""Entry of the `workflows` command and of `python -m workflows`, as a Cloud Run Job calls it."""

from __future__ import annotations

import gc
import sys

EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the command line of this process and return its exit code."""
    gc.set_threshold(50_000)  # imports make much that stays; looking through it costs 10 ms
    try:
        from workflows.cli.main import run_command_line  # noqa: PLC0415 - Ctrl-C while importing is no traceback

        return run_command_line(sys.argv[1:])
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        gc.freeze()  # the process ends: looking through everything once more costs 50 ms


if __name__ == "__main__":
    sys.exit(main())
