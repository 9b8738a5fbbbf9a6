"""Fixtures for the tests of `change`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.change.support import FILES, Desk, make_desk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A small project, cloned and exported."""
    return make_desk(tmp_path, FILES)
