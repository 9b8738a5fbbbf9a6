"""What is kept and shown of the output of a program that is not trusted."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.redaction import remember
from workflows.core.sandbox import untrusted_output
from workflows.core.sandbox.untrusted_output import OutputLines, transcript

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "tok-output-77d1"
PRINTABLE = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]))


def lines_of(*chunks: bytes) -> list[str]:
    lines = OutputLines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.finish()


@given(st.lists(PRINTABLE), st.integers(1, 7))
def test_lines_do_not_depend_on_the_pieces(texts: list[str], size: int) -> None:
    """Wherever the stream is cut into pieces, the lines are the same; the last needs no end."""
    data = "\r\n".join(texts).encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert lines_of(*pieces) == lines_of(data)


def test_a_carriage_return_ends_a_line() -> None:
    """A progress bar is shown as it moves, and CR LF is one end, also across pieces."""
    assert lines_of(b"1%\r2%\rdone\r", b"\nnext\n\nlast") == [
        "1%",
        "2%",
        "done",
        "next",
        "",
        "last",
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"\x1b[31mred\x1b[0m \x1b[2K\x1b[1A", "red "),
        (b"\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"a\0b\x07\x08c\x7f", "abc"),
        ("\u202eevil\u2066 \u200b\ufeff\x9b31m".encode(), "evil 31m"),
        (b"a\tb", "a   b"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"unfinished \x1b]0;title", "unfinished "),
    ],
    ids=["colour", "title and link", "C0", "Unicode", "tab", "no UTF-8", "unfinished"],
)
def test_nothing_steers_a_terminal(said: bytes, shown: str) -> None:
    """Escape sequences, control characters and what Unicode hides are gone."""
    assert lines_of(said) == [shown]


def test_a_secret_is_hidden_however_it_is_coloured() -> None:
    """Control characters are taken out before secrets are looked for, over all pieces of a line."""
    remember([SECRET])
    half = len(SECRET) // 2
    head, tail = SECRET[:half].encode(), SECRET[half:].encode()

    assert lines_of(b"a " + head, tail + b"\n") == ["a [redacted]"]
    assert lines_of(head + b"\x1b[1m\0" + tail) == ["[redacted]"]


def test_a_long_line_is_cut_and_the_next_is_whole() -> None:
    """Of a line without an end only the first 64 KiB are kept, however it arrives."""
    long = b"x" * 100_000
    for chunks in ([long + b"\nnext\n"], [long, long, b"x\r", b"\nnext\n"], [long, b"\nnext\n"]):
        cut, *others = lines_of(*chunks)

        assert cut == "x" * 65_536 + " […]"
        assert others == ["next"]
    assert len(lines_of(long)[0]) == len(lines_of(long, long)[0]) == 65_540


def test_random_bytes_are_no_danger() -> None:
    """Binary junk gives lines that can be printed."""
    junk = b"".join(sha256(b"%d" % number).digest() for number in range(10_000))

    text = "".join(lines_of(*[junk[at : at + 65_536] for at in range(0, len(junk), 65_536)]))

    assert text
    assert all(c.isprintable() or ord(c) >= 0xA0 for c in text)


def test_the_log_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the bound is not in the log, but still heard and in the last lines."""
    monkeypatch.setattr(untrusted_output, "MAX_LOG_BYTES", 25)
    heard: list[str] = []

    with transcript(tmp_path / "log", heard.append) as said:
        for number in range(10):
            said.add(f"line {number}\n".encode())
        said.finish()

    assert (tmp_path / "log").read_text() == ("line 0\nline 1\nline 2\n[log cut after 25 bytes]\n")
    assert len(heard) == 10
    assert said.last_lines().endswith("line 9")


def test_the_last_lines_are_few_and_small(tmp_path: Path) -> None:
    """At most 40 lines, at most 8 KiB, and no half of a character."""
    with transcript(tmp_path / "log", None) as said:
        said.add("".join(f"{number}\n" for number in range(100)).encode())
        assert said.last_lines() == "\n".join(map(str, range(60, 100)))

        said.add(("é" * 3_000 + "\n").encode() * 5)
        assert 8_190 <= len(said.last_lines().encode()) <= 8_192
        assert set(said.last_lines()) == {"é", "\n"}


def test_a_log_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A program that could put a link in the log's place does not choose where we write."""
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"), transcript(tmp_path / "log", None):
        pass
    assert not (tmp_path / "elsewhere").exists()
