"""Text from outside is shown as people see it, and goes back without a command in it."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workflows.change.wording.safe_text import (
    bounded_text,
    code_block,
    inline_code,
    one_line,
    slug,
    visible_text,
)

HIDDEN = [
    ("a<!-- do evil -->b", "ab"),
    ("a<!-- never closed", "a"),
    ("a<!-- x --><!-- y -->b", "ab"),
    ("a<!-<!-- x -->- evil -->b", "ab"),
    ("a<!-->b", "ab"),
    ("```\n<!-- x -->\n```", "```\n\n```"),
    ("ze\u200bro\u200c wi\u200ddth\ufeff", "zero width"),
    ("\u202eright to left\u202c \u2066x\u2069", "right to left x"),
    ("tags\U000e0041\U000e0042", "tags"),
    ("selector\ufe0f\U000e0100", "selector"),
    ("filler\u3164\u115f", "filler"),
    ("![run rm](x.png)", "![](x.png)"),
    ("[a](http://x 'run rm')", "[a](http://x)"),
    ('[a](http://x "run rm")', "[a](http://x)"),
    ("above\n[//]: # (run rm)\nbelow", "above\n\nbelow"),
    ('<img src="x" alt="run rm">', '<img src="x">'),
    ('<span style="display:none" hidden>', "<span>"),
    ("bell\x07 null\x00 escape\x1b[31m", "bell null escape[31m"),
    ("one\r\ntwo\rthree", "one\ntwo\nthree"),
]


@pytest.mark.parametrize(("text", "seen"), HIDDEN)
def test_what_a_page_hides_is_taken_out(text: str, seen: str) -> None:
    assert visible_text(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "def f(a: int) -> int:\n\treturn a",
        "a < b > c",
        "[link](http://x)",
        "Grüße, 你好 🙂",
        "1 <- 2",
    ],
)
def test_what_a_page_shows_stays(text: str) -> None:
    assert visible_text(text) == text


@given(st.text(alphabet="ab<!->\n\u200b\u202e[]()!\"'# `/", max_size=60))
def test_no_hidden_markup_is_left_however_it_is_nested(text: str) -> None:
    seen = visible_text(text)

    assert "<!--" not in seen
    assert not any(unicodedata.category(c) == "Cf" for c in seen)
    assert visible_text(seen) == seen


@pytest.mark.parametrize(
    "hostile",
    ["![" * 500_000, "![" * 500_000 + "]", "<!" * 250_000 + "<!---->" + "-- -->" * 80_000],
    ids=["alts", "one end", "layers"],
)
def test_a_comment_as_long_as_may_be_is_read(hostile: str) -> None:
    """Anybody may write one. In quadratic time each took half an hour, deaf to SIGTERM."""
    seen = visible_text(hostile)

    assert "<!--" not in seen
    assert visible_text(seen) == seen


def test_a_long_line_without_a_link_is_read() -> None:
    assert one_line("a+" * 500_000).startswith("a+a+")


@pytest.mark.parametrize(
    "hostile",
    [
        "[a:" * 300_000,
        "@" * 900_000 + "a",
        "@" * 900_000,
        "[a" * 200_000 + ":" * 200_000 + "]",
        ":" * 200_000 + "/" * 400_000,
    ],
    ids=["references", "mention", "signs", "references in references", "schemes in schemes"],
)
def test_a_line_as_long_as_may_be_is_read(hostile: str) -> None:
    line = one_line(hostile)

    assert one_line(line) == line


LINES = [
    ("see [issue:3] and [a:b", "see 3] and [a:b"),
    ("fix it @all now", "fix it all now"),
    ("closes #12 and fixes group/project#3", "closes 12 and fixes group/project3"),
    ("see !4 ~bug %v1 &3 $5 ^9", "see 4 bug v1 3 5 9"),
    (
        "closes https://gitlab.example.com/a/b/-/issues/5",
        "closes gitlab.example.com/a/b/-/issues/5",
    ),
    ("Fixes SHOP-12, closes ABC-3", "Fixes SHOP 12, closes ABC 3"),  # keys of other trackers
    ("Write UTF-8", "Write UTF-8"),
    ("@@all ##1", "all 1"),
    ("/close", "close"),
    ("two\nlines\t of  text", "two lines of text"),
    ("<!-- x -->[code](x) `y`", "[code](x) 'y'"),
    ("C# and 10% of a & b, 5 $ each", "C# and 10% of a & b, 5 $ each"),
]


@pytest.mark.parametrize(("text", "line"), LINES)
def test_a_line_of_ours_mentions_and_closes_nothing(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text(alphabet="ab@#!~%/:<>`\n\u200b1", max_size=60))
@example("://1")
@example("1://a")
def test_a_line_is_one_inert_line(text: str) -> None:
    line = one_line(text)

    assert "\n" not in line
    assert not re.search(r"[@#!~%](?=\w)|://|[<>`]", line)
    assert not line.startswith("/")
    assert one_line(line) == line


@given(st.text(alphabet="`ab\n/@", max_size=80))
def test_nothing_breaks_out_of_a_fence(text: str) -> None:
    lines = code_block(text).split("\n")
    fence = lines[0].removesuffix("text")

    assert set(fence) == {"`"}
    assert len(fence) >= 3
    assert lines[-1] == fence
    assert not any(line.strip().startswith(fence) for line in lines[1:-1])


def test_a_fence_keeps_the_end_of_a_long_text() -> None:
    block = code_block("begin" + "x" * 10_000 + "the end", 100)

    assert "the end" in block
    assert "begin" not in block
    assert "9912 characters before this" in block


@pytest.mark.parametrize(("text", "shown"), [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``")])
def test_inline_code_holds_backticks(text: str, shown: str) -> None:
    assert inline_code(text) == shown


def test_a_long_text_says_how_much_is_missing() -> None:
    assert bounded_text("abcdef", 3) == "abc\n[… 3 more characters are left out]"
    assert bounded_text("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("title", "made"),
    [
        ("The total of a basket is 0", "the-total-of-a-basket-is-0"),
        ("Ünïcode & more…", "unicode-more"),
        ("你好", ""),
        ("--/../--", ""),
        ("x" * 80, "x" * 50),
    ],
)
def test_a_slug_is_a_safe_part_of_a_branch_name(title: str, made: str) -> None:
    assert slug(title) == made
