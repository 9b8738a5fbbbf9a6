"""Runs one program, is the parent of its orphans, and exits with its exit code.

Run as a script by `core.sandbox.run`, with the standard library alone. Orphans are
its children while it runs, so that the orphans of runs side by side are not mixed up, and it reaps
them. What is left when it ends becomes a child of the process that started it. No new privileges:
sudo has no effect. Linux only.
Sources: prctl(2), credentials(7).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_CHILD_SUBREAPER = 36
_SET_NO_NEW_PRIVS = 38


def main(args: list[str]) -> int:
    """The program's exit code; 128 + number if a signal ended it, 127 if it cannot be started."""
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # a handler, because ignoring would be inherited; the program decides when we end
    asked = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in asked:
        signal.signal(number, lambda *_: None)
    if args[0] == "drop-ctype":  # the interpreter may have set it (PEP 538)
        os.environ.pop("LC_CTYPE", None)
    defaults = [*asked, signal.SIGPIPE, signal.SIGXFSZ]  # the interpreter ignores the last two
    try:
        program = os.posix_spawnp(args[1], args[1:], os.environ, setsigdef=defaults)
    except OSError as error:
        sys.stderr.write(f"{args[1]}: {error.strerror}\n")
        return 127
    while True:
        pid, status = os.wait()
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
