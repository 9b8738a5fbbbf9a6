"""Fixtures: a Cloud Run with two images."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.cloud_run.support import SHOW, Cloud
from workflows.local.cloud_run import CloudRunServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A Cloud Run where the image `show` prints what it got and `py` is an interpreter."""
    images = {"show": [sys.executable, "-c", SHOW], "py*": [sys.executable, "-c"]}
    run = CloudRunServer(tmp_path / "cloud", images=images, grace_s=0.5)
    with run.serve() as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        yield Cloud(run, http)
