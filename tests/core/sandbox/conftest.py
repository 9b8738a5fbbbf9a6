"""Fixtures: places to run programs in that are not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.sandbox.untrusted import Place, make_place
from workflows.core.config import environment
from workflows.core.config.choices import Sandbox
from workflows.core.sandbox import run as sandbox_run

if TYPE_CHECKING:
    from pathlib import Path


def need_bubblewrap() -> None:
    bwrap, why = sandbox_run._working_bubblewrap(environment.for_child()["PATH"])
    if bwrap is None:
        pytest.skip(f"no working bubblewrap: {why}")


@pytest.fixture(params=[Sandbox.OFF, Sandbox.BUBBLEWRAP], ids=str)
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """With and without bubblewrap."""
    if request.param is Sandbox.BUBBLEWRAP:
        need_bubblewrap()
    return make_place(tmp_path, request.param)


@pytest.fixture
def open_place(tmp_path: Path) -> Place:
    """Without bubblewrap."""
    return make_place(tmp_path, Sandbox.OFF)


@pytest.fixture
def boxed_place(tmp_path: Path) -> Place:
    """With bubblewrap, where it works."""
    need_bubblewrap()
    return make_place(tmp_path, Sandbox.BUBBLEWRAP)
