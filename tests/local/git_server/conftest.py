"""Fixtures: one server for a file, and a project of its own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.git_server.support import ACCOUNTS, NUMBERS, Shop
from workflows.local.git_server.http import GitServer
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[GitServer, str, httpx.Client]]:
    server = GitServer(tmp_path_factory.mktemp("git"), ACCOUNTS)
    with serve_app(server.app) as base, httpx.Client(trust_env=False) as client:
        yield server, base, client


@pytest.fixture
def shop(served: tuple[GitServer, str, httpx.Client], tmp_path: Path) -> Shop:
    server, base, client = served
    path = f"acme/tools/shop-{next(NUMBERS)}"
    server.create_repository(path)
    server.requests.clear()
    return Shop(server, base, path, tmp_path, client)
