"""Output kept at both ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core.process.bounded_text import BoundedText


@settings(deadline=None, max_examples=100)
@given(
    chunks=st.lists(st.binary(max_size=30), max_size=20),
    half=st.integers(min_value=1, max_value=40),
)
def test_what_is_kept_does_not_depend_on_the_pieces(chunks: list[bytes], half: int) -> None:
    """However the bytes arrive, the first and the last half of the limit are kept."""
    kept = BoundedText(2 * half)
    for chunk in chunks:
        kept.add(chunk)
    whole = b"".join(chunks)

    assert bytes(kept.head) == whole[:half]
    assert bytes(kept.tail) == whole[half:][-half:]
    assert kept.dropped == max(len(whole) - 2 * half, 0)
