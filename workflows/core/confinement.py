"""Placeholder for the confinement of agents: a process group, no sandbox yet. Replaced at merge."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.errors import TimeoutExceeded
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from workflows.core.settings import Sandbox

_KEPT_LINES = 40


@dataclass(frozen=True, slots=True)
class Confined:
    """How a confined program ended. `last_lines` is redacted."""

    exit_code: int
    timed_out: bool
    duration_s: float
    last_lines: str
    sandbox: str


def run_confined(  # noqa: PLR0913 - one door, and all but `args` are keyword-only
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    home: Path,
    log: Path,
    timeout_s: float,
    sandbox: Sandbox,
    stdin: bytes | None = None,
    writable: Sequence[Path] = (),
    on_line: Callable[[str], None] | None = None,
) -> Confined:
    """Run a program to its end, its output appended to `log` and given to `on_line`.

    Raises:
        ProgramMissing: there is no such executable.
    """
    del home, sandbox, writable  # the placeholder keeps nothing apart
    started = time.monotonic()
    code, timed_out, text = 0, False, ""
    try:
        done = process.run(args, env=env, cwd=cwd, timeout_s=timeout_s, stdin=stdin, check=False)
        code, text = done.exit_code, redact(done.stdout + done.stderr)
    except TimeoutExceeded:
        code, timed_out = -9, True
    with log.open("a", encoding="utf-8") as file:
        file.write(text)
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    for line in text.splitlines():
        kept.append(line)
        if on_line:
            on_line(line)
    duration_s = time.monotonic() - started
    return Confined(code, timed_out, duration_s, "\n".join(kept), "process group")
