"""Two parsers of YAML: what the quick one may read it reads as the one that decides does."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dag.file.test_mutations import PARAMS, SPLINTERS, TEXTS
from tests.dag.support import as_yaml, dags, load_text
from workflows.core.errors import DagInvalid
from workflows.dag.file import loader, parse

_ALIKE = """0 -1 12 1.5 -0.5 1e3 .5 1. 5e-3 0.1 0x 0o8 1e400 -1e999 .inf .nan 18446744073709551616
step-007 2024-01-05 08:30 1.02 x:1.02 v1_2 layer1_step2 a_1 0_a 05-a what? a?b a|b ->x 2>x ~ null
Null true yes no on y "017" '0x1F' "\\u00e9" "\\0" "a:b" {{x}} [a,b] {a:b} [] {} [[a],[b]] a:b ::
'a: b' é 日本 😀 a#b - -- :a <<"""
_OTHERWISE = """017 08 00 -01 +08 0_1 1_000 _1 1_ -_1 1e1_0 1_0.5 0X1F 0O17 0B1 0x_1 [?] [?a] {?}
[|] [>a] [:a] {a:} [a:] {x:,y} [::] "\\ud83d\\ude00" "a\x07" \x7f ! [!] & * |2 |-"""
ALIKE = _ALIKE.split()
OTHERWISE = [*_OTHERWISE.split(), "\x85", "{a: |}", "{1\n  c: x}", "{a\n  : b}"]
_PIECES = """- {}⏎|- a: {}⏎|  - a: {}⏎    b: c⏎|- [{}]⏎|- [x, {}, y]⏎|- {{a: {}}}⏎|- {}
|- - {}⏎  - x⏎|- a: b⏎  c:⏎  - {}⏎|- a:⏎    {}⏎|- a: x⏎    {}⏎"""
PIECES = [piece.replace("⏎", "\n") for piece in _PIECES.replace("\n", "").split("|")]
BITS = [*"ab019.-+_eE:,?[]{}#|>\"'\\ \n~!&*é", ": ", "- ", "\n  ", "\n- ", " #", "|\n", "a: ", ", "]
BITS += ["|\n    ", "- >-\n    ", "\n\n", "[a, b]", "{a: 1}", '"a"', "{{ params.x }}", "0x", "\r\n"]
SCALARS = st.sampled_from(ALIKE) | st.lists(st.sampled_from(BITS), max_size=9).map("".join)


PLAIN = """a true null y inf nan e5 a:b a,b it's --n -n ./x ../x /x 0 -0 7 -7 1.50 10s 5m 1e5 ""
"0x1" 'a: b' "a # b" [] [a] [a,b] [-n] "[1, 2.5]" ["x", 'y'] [a:b] x{y} a[b] a&b a*b
a!b Zoë .x .inf"""
_INDENTS = st.sampled_from(["", " ", "  ", "    ", "  - ", "- ", "    - ", "- - ", "-", "  -"])
_KEYS = st.sampled_from(["", "a: ", "b: ", "a:", "b:  ", "task: ", "A_1: "])
_VALUES = st.sampled_from(["", "# c", "-", "a b  ", *PLAIN.split()]) | SCALARS
_LINES = st.lists(st.tuples(_INDENTS, _KEYS, _VALUES).map("".join), max_size=7)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Pieces as the loader makes them: a list in block style, with something odd in it."""
    kind = draw(st.integers(0, 5))
    if kind > 3:
        return "".join(f"{line}\n" for line in ["- a: b", *draw(_LINES)])
    if kind == 0:
        return "".join(draw(st.sampled_from(PIECES)).format(draw(SCALARS)) for _ in range(2))
    if kind == 1:
        return draw(st.sampled_from(PIECES)).format(draw(SCALARS | st.sampled_from(OTHERWISE)))
    whole = draw(st.sampled_from(TEXTS)) if kind == 2 else as_yaml(draw(dags(max_steps=2)))
    text = whole[whole.index("steps:\n") + len("steps:\n") :]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 0, 1, 5]))
        text = text[:start] + draw(st.sampled_from(SPLINTERS) | SCALARS) + text[end:]
    return text


def is_sound(value: Any) -> bool:
    """Whether a file that is accepted may hold the value."""
    if isinstance(value, dict):
        return all(type(key) is str and is_sound(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(is_sound, value))
    if type(value) is float:
        return math.isfinite(value)
    return not (type(value) is int and not -(2**63) <= value < 2**64)


def spelt(value: Any) -> str:
    """The value with its types: 1 is not 1.0, and 0.0 not -0.0."""
    return repr(value)


@settings(max_examples=300, deadline=None)
@given(texts())
def test_a_piece_that_both_read_alike_has_one_meaning(text: str) -> None:
    if not text.lstrip(" ").startswith("- ") or "\ud800" in text:
        return
    if parse.unusual(text) or not parse.reads_alike(text):
        return
    try:
        (quick,) = parse.pieces(text, [0, len(text)], quick=True)
    except parse.Unparsable:
        return
    if is_sound(quick):
        assert spelt(quick) == spelt(parse.whole_yaml(text))


def outcome(text: str) -> Any:
    try:
        return load_text(text, PARAMS)
    except DagInvalid as error:
        return error.findings


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TEXTS), texts(), st.data())
def test_the_quick_way_changes_no_result_and_no_finding(
    whole: str, piece: str, data: st.DataObject
) -> None:
    places = [start for start in range(len(whole)) if whole[start] in "\n "]
    start = data.draw(st.sampled_from(places)) + 1
    new = data.draw(st.just(piece) | SCALARS | st.sampled_from(OTHERWISE))
    text = (whole[:start] + new + whole[start:]).replace("\ud800", "")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader._Loading, "_quick", lambda _: None)
        slowly = outcome(text)

    assert outcome(text) == slowly


@pytest.mark.parametrize("scalar", OTHERWISE)
def test_what_the_two_read_otherwise_is_left_to_one(scalar: str) -> None:
    text = f"- id: a\n  x: {scalar}\n"

    assert parse.unusual(text) or not parse.reads_alike(text)


@pytest.mark.parametrize(
    "line",
    [
        "id: step-007",
        "description: Step 01 of 10, on 2024-01-05 at 08:30; what? a | b > c & d * e!",
        "imageUri: europe-docker.pkg.dev/x_1/y@sha256:0123456789abcdef",
        "imageUri: registry:5000/a_1/b:1.02",
        "args: [layer1_step2, 1, 2.5, true, '{{ params.x }}:80', \"0x1F\"]",
        "args: [sh, -c, 'a | b > c 2>&1']",
        "name: Die Überprüfung 日本 😀",
        "args: [--number, '5', \"a b\", -n, 2.5]",
        "timeout: 15m",
        "dependsOn:\n  - a\n  - b.c",
        "# a comment, 100 %\n  id: it's",
    ],
)
def test_common_lines_are_read_quickly(line: str) -> None:
    text = f"- {line}\n- id: b\n"

    assert not parse.unusual(text)
    assert parse.reads_alike(text)
    assert next(parse.pieces(text, [0, len(text)], quick=True)) == parse.whole_yaml(text)
