"""Messages: two shapes, every finding at once, and nothing that makes the parser fall over."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trigger.support import briefly
from workflows.trigger import envelope, message
from workflows.trigger.message import (
    MessageRefused,
    WorkflowMessage,
    build_message,
    flag_arguments,
    parse_message,
)

_TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"))
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.booleans() | st.integers(-(10**15), 10**15) | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


def findings(data: bytes | str) -> tuple[str, ...]:
    with pytest.raises(MessageRefused) as caught:
        parse_message(data if isinstance(data, bytes) else data.encode())
    return caught.value.findings


def test_both_shapes_mean_the_same() -> None:
    first = parse_message(b'{"workflow": "hello_world", "parameters": {"git_url": "u"}}')
    second = parse_message(b'{"job_name": "hello_world", "args": {"git-url": "u"}}')
    third = parse_message(b'{"job_name": "hello_world", "args": ["--git_url=u"]}')

    assert first == second == third == WorkflowMessage("hello_world", {"git_url": "u"})


def test_flags_in_a_list_are_values_switches_and_lists() -> None:
    words = ["--a=-1", "--b=", "--draft", "--no-closes", "--label=x", "--label=y,z"]

    found = parse_message(json.dumps({"job_name": "x", "args": words}).encode())

    assert found.parameters == {
        "a": "-1",
        "b": "",
        "draft": True,
        "closes": False,
        "label": ["x", "y,z"],
    }


def test_null_means_not_given_and_no_parameters_are_none() -> None:
    assert parse_message(b'{"workflow": "a", "parameters": {"b": null}}') == WorkflowMessage(
        "a", {}
    )
    assert parse_message(b'{"workflow": "a"}') == WorkflowMessage("a", {})


def test_everything_wrong_is_told_at_once() -> None:
    told = findings(
        '{"workflow": "No!", "parameters": {"Bad Name": 1, "a-b": 1, "a_b": 2, "n": "\\u0000"},'
        ' "retries": 3}'
    )

    assert len(told) == 5
    assert "workflow must be a name" in " ".join(told)
    assert "a_b is given twice" in told
    assert "n holds a NUL character" in told


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("", "empty"),
        ("{", "line 1, column 2"),
        ("5", "not an object"),
        ("{}", "neither workflow nor job_name"),
        ('{"workflow": "a", "job_name": "a"}', "both"),
        ('{"workflow": "a", "args": {}}', "workflow goes with parameters"),
        ('{"workflow": "a", "parameters": []}', "must be an object, not a list"),
        ('{"job_name": "a", "args": ["--flag", "value"]}', "--name=value, one word"),
        ('{"job_name": "a", "args": [5]}', "one word"),
        ('{"workflow": "a", "workflow": "b"}', "given twice in one object"),
        ('{"workflow": "a", "parameters": {"b": NaN}}', "NaN is no JSON"),
        ('{"workflow": "a", "parameters": {"b": 1e999}}', "not finite"),
        ('{"workflow": "a", "parameters": {"b": ' + "9" * 5_000 + "}}", "too long"),
        ('{"workflow": "a", "parameters": {"b": "\\ud800"}}', "surrogate"),
        ('{"workflow": "a", "parameters": {"b": ' + "[" * 17 + "1" + "]" * 17 + "}}", "deeper"),
        ("[" * 200_000, "deeper"),
        ('{"workflow": "a", "parameters": {"b": "' + "x" * 32_768 + '"}}', "more than 32768"),
    ],
)
def test_what_is_wrong_is_said(data: str, word: str) -> None:
    assert word in "; ".join(findings(data))


def test_too_much_is_refused() -> None:
    many = {f"p{number}": 1 for number in range(201)}
    long = {f"p{number}": "x" * 32_000 for number in range(17)}

    assert "201 parameters" in findings(json.dumps({"workflow": "a", "parameters": many}))[0]
    assert "more than 524288" in findings(json.dumps({"workflow": "a", "parameters": long}))[0]
    assert "more than 10000000" in findings(b" " * 10_000_001)[0]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (
            "{" + "".join(f'"k{n}":1,' for n in range(300_000)) + '"z":1,"z":1}',
            "'z' is given twice",
        ),
        (json.dumps({"job_name": "a", "args": ["--a=b"] * 600_000}), "a is 2400005 bytes"),
    ],
    ids=["names", "flags"],
)
def test_a_message_of_many_small_things_holds_nobody_up(data: str, word: str) -> None:
    """Quadratic, each took more than ten minutes."""
    with pytest.raises(MessageRefused, match=word):
        parse_message(data.encode())


def test_many_findings_are_cut_short() -> None:
    many = {f"P{number}": 1 for number in range(50)}

    told = findings(json.dumps({"workflow": "a", "parameters": many}))

    assert len(told) == message.MAX_FINDINGS + 1
    assert told[-1] == "and 30 more"


@pytest.mark.parametrize(
    "message",
    [
        {"workflow": "s3cret!", "parameters": {"a": "s3cret\x00"}},
        {"job_name": "a", "args": ["--git-url", "https://s3cret@git.example.com"]},
        {"job_name": "a", "args": ["--git-url https://s3cret@git.example.com"]},
        {"job_name": "a", "args": ["--git-url:https://s3cret@git.example.com/?a=b"]},
        {"workflow": "a", "parameters": {"git_url https://s3cret@git.example.com": ""}},
        {"workflow": "a", "git_url=s3cret": ""},
    ],
)
def test_no_value_is_repeated_in_a_finding(message: dict[str, object]) -> None:
    """Findings are logged; a value may be an address with a password in it."""
    assert "s3cret" not in "; ".join(findings(json.dumps(message)))


def test_a_value_that_begins_with_a_hyphen_stays_one_word() -> None:
    assert flag_arguments({"a": "--b", "c": True, "d": [1, "é"], "e": {"f": None}}) == [
        "--a=--b",
        "--c=true",
        '--d=[1,"é"]',
        '--e={"f":null}',
    ]


@briefly
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    with suppress(MessageRefused):
        assert isinstance(parse_message(data), WorkflowMessage)


@briefly
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_any_json_is_a_message_or_refused(value: Any) -> None:
    for whole in (value, {"workflow": "a", "parameters": value}, {"job_name": "a", "args": value}):
        with suppress(MessageRefused):
            found = parse_message(json.dumps(whole).encode())
            assert all("\x00" not in word for word in flag_arguments(found.parameters))


@briefly
@given(_NAMES, st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_what_is_built_is_read_back(workflow: str, parameters: dict[str, Any]) -> None:
    assert parse_message(build_message(workflow, parameters)) == WorkflowMessage(
        workflow, parameters
    )


def test_the_same_wish_is_the_same_bytes() -> None:
    assert build_message("a", {"b": 1, "c": 2}) == build_message("a", {"c": 2, "b": 1})


@briefly
@given(st.binary(max_size=200))
def test_any_request_is_a_delivery_or_refused(body: bytes) -> None:
    with pytest.raises(envelope.EnvelopeRefused):
        envelope.read_delivery(body)


@briefly
@given(st.dictionaries(st.sampled_from(["data", "attributes", "messageId"]), _VALUES))
def test_any_message_in_a_request_is_a_delivery_or_refused(inside: dict[str, Any]) -> None:
    with suppress(envelope.EnvelopeRefused):
        found = envelope.read_delivery(json.dumps({"message": inside, "subscription": 5}).encode())
        assert found.id
