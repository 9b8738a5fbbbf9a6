"""Fixtures: a clone of the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workflows.tasks import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Remote
    from workflows.core.config.settings import Settings


@pytest.fixture
def clone(remote: Remote, settings: Settings, tmp_path: Path) -> git.Repository:
    """A fresh clone of `acme/shop` with its files checked out."""
    return git.clone_repository(remote.url, tmp_path / "clone", settings=settings)
