"""Which texts close which issues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.local.gitlab_server.actions.closing_pattern import IssueReference, closing_references

BASE = "http://gitlab.test"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Closes #4, #6, Related to #5", [("", 4), ("", 6)]),
        ("closes#4", []),
        ("disclose #4", []),
        ("Fixes: #1 and #2", [("", 1), ("", 2)]),
        ("Implements issues #1, #2, and #3.", [("", 1), ("", 2), ("", 3)]),
        ("resolved group/sub/project#12", [("group/sub/project", 12)]),
        (f"Closing {BASE}/a/b/-/issues/7", [("a/b", 7)]),
        (f"closed {BASE}/a/b/-/work_items/8 and #9", [("a/b", 8), ("", 9)]),
        ("Closes #1 Closes #1", [("", 1)]),
        ("closes https://elsewhere.test/a/b/-/issues/7", []),
        ("see #3", []),
        ("Fixing  #3", [("", 3)]),
        ("closes\n#3", []),
    ],
)
def test_the_closing_pattern(text: str, expected: list[tuple[str, int]]) -> None:
    """GitLab's default, as its documentation tells it."""
    assert closing_references(text, BASE) == [IssueReference(*one) for one in expected]


@given(
    word=st.sampled_from(
        ["close", "closes", "Closed", "closing", "fix", "Fixes", "resolve", "implemented"]
    ),
    colon=st.sampled_from(["", ":"]),
    numbers=st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True),
    between=st.sampled_from([", ", " and ", ", and ", ","]),
)
def test_a_list_of_references_closes_them_all(
    word: str, colon: str, numbers: list[int], between: str
) -> None:
    """Whatever the word and what stands between."""
    text = f"Some text. {word}{colon} {between.join(f'#{n}' for n in numbers)} more"

    assert [one.iid for one in closing_references(text, BASE)] == numbers


@pytest.mark.parametrize("unit", ["Closes #1 ", "Closes ", "#1, ", " ", "a/", "closes issues "])
def test_a_megabyte_of_text_is_read_quickly(unit: str) -> None:
    """No text makes the pattern slow."""
    closing_references(unit * (1_000_000 // len(unit)), BASE)
    closing_references("Closes #1" + " " * 1_000_000, BASE)
    closing_references("a" * 1_000_000, BASE)
