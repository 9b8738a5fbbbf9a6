"""Which mutants are not tried, since nothing that a program does could show them."""

from __future__ import annotations

import pytest

from tools.mutation import meaning


@pytest.mark.parametrize(
    ("code", "mutant"),
    [
        ("x: int | None = 1", "x: int & None = 1"),
        ("def f(a: int | str) -> int | str: ...", "def f(a: int + str) -> int - str: ..."),
        ("async def f() -> int | str: ...", "async def f() -> int % str: ..."),
        ("if TYPE_CHECKING: import a", "if not TYPE_CHECKING: import a"),
        ("def f(a, *, b=1): ...", "def f(a, /, b=1): ..."),
        ("@dataclass(slots=True)\nclass A: ...", "@dataclass(slots=False)\nclass A: ..."),
        ("@dataclass(frozen=True)\nclass A: ...", "@dataclass(frozen=False)\nclass A: ..."),
        ("a == 'x'", "a <= 'x'"),
        ("a != 'x'", "a > 'x'"),
        ("a is State.DONE", "a == State.DONE"),
        ("a", "a b"),
    ],
)
def test_what_changes_nothing_that_can_be_seen_is_left_out(code: str, mutant: str) -> None:
    assert meaning(mutant, equality=True) in {meaning(code, equality=True), None}


@pytest.mark.parametrize(
    ("code", "mutant", "equality"),
    [
        ("x: int = 1", "x: int = 2", True),
        ("def f(a, *, b=1): ...", "def f(a, *, b=2): ...", True),
        ("@dataclass(eq=True)\nclass A: ...", "@dataclass(eq=False)\nclass A: ...", True),
        ("a == 'x'", "a != 'x'", True),
        ("a == 'x'", "a < 'x'", True),
        ("a == 1", "a <= 1", True),
        ("a == b", "a <= b", True),
        ("a > MOST.FILES", "a >= MOST.FILES", False),
        ("a <= 'x'", "a == 'x'", False),
    ],
)
def test_what_may_be_seen_is_tried(code: str, mutant: str, *, equality: bool) -> None:
    assert meaning(mutant, equality=equality) != meaning(code, equality=equality)
