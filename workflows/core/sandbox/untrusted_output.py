"""The output of an untrusted program: line by line, printable, redacted and bounded."""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_LOG_BYTES = 64 * 1024 * 1024
LAST_LINES = 40
LAST_BYTES = 8_192
_MAX_LINE = 65_536  # bytes; a longer line is cut, so that no secret is halved by a border
_LEFT_OUT = " […]"

# ECMA-48: control sequences, strings for the terminal (title, link, …), other two-byte sequences
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
# C0 but the line end, DEL, C1, and what Unicode has to hide or turn text
_CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


class OutputLines:
    """Bytes in, whole lines out: without control characters and secrets, tabs as spaces.

    A carriage return ends a line too (progress bars). Secrets are looked for across the lines of
    one piece, after the control characters are gone, so colours within one do not hide it.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._cutting = False

    def feed(self, chunk: bytes) -> list[str]:
        """Take in bytes and return the lines that are complete now."""
        data = self._rest + chunk
        # a \r at the very end may be half of a \r\n
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        whole, self._rest = data[:end], data[end:]
        lines = self._clean(whole) if whole else []
        if lines and self._cutting:
            lines = lines[1:]
            self._cutting = False
        if len(self._rest) > _MAX_LINE:
            lines += [] if self._cutting else self._clean(self._rest)
            self._rest = self._rest[-1:] if self._rest.endswith(b"\r") else b""
            self._cutting = not self._rest
        return lines

    def finish(self) -> list[str]:
        """The last line, if it had no line end."""
        rest, self._rest = self._rest, b""
        return self._clean(rest) if rest and not self._cutting else []

    @staticmethod
    def _clean(data: bytes) -> list[str]:
        parts = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        cut = [p if len(p) <= _MAX_LINE else p[:_MAX_LINE] + _LEFT_OUT.encode() for p in parts]
        return printable(b"\n".join(cut[:-1] if not cut[-1] else cut)).split("\n")


def printable(data: bytes) -> str:
    """Text without control characters (but line ends) and without secrets."""
    text = _ESCAPES.sub("", data.decode(errors="replace")).expandtabs(4)
    return redact(_CONTROLS.sub("", text))


class Transcript:
    """Writes lines to a log file, gives them to `on_line`, and keeps the last ones."""

    def __init__(self, log: int, on_line: Callable[[str], None] | None) -> None:
        self._lines = OutputLines()
        self._log = log
        self._room = MAX_LOG_BYTES
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self._take(self._lines.feed(chunk))

    def finish(self) -> None:
        """The output has ended: write a last line that had no line end."""
        self._take(self._lines.finish())

    def _take(self, lines: list[str]) -> None:
        if not lines:
            return
        self._write("".join(f"{line}\n" for line in lines).encode())
        for line in lines:
            self._last.append(line[:LAST_BYTES])
            if self._on_line is not None:
                self._on_line(line)

    def _write(self, data: bytes) -> None:
        if self._room <= 0:
            return
        if len(data) > self._room:
            cut = data.rfind(b"\n", 0, self._room) + 1
            data = data[:cut] + f"[log cut after {MAX_LOG_BYTES} bytes]\n".encode()
            self._room = 0
        self._room -= len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._log, rest) :]

    def last_lines(self) -> str:
        """The end of the output: at most 40 lines and 8 KiB."""
        end = "\n".join(self._last).strip().encode()[-LAST_BYTES:]
        return end.decode(errors="ignore")


@contextmanager
def transcript(log: Path, on_line: Callable[[str], None] | None) -> Iterator[Transcript]:
    """A transcript that is appended to the file `log`, which only our user may read.

    Raises:
        OSError: the file cannot be opened, or is a symbolic link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(log, flags, 0o600)
    try:
        yield Transcript(file, on_line)
    finally:
        os.close(file)
