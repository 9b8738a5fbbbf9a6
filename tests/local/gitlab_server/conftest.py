"""Fixtures: one embedded GitLab for a module, and a project on it for each test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.gitlab_server.support import LEVELS, Shop
from workflows.local.gitlab_server.server import GitLabServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitLabServer, httpx.Client]]:
    lab = GitLabServer(tmp_path_factory.mktemp("gitlab"))
    for name in LEVELS:
        lab.create_token(lab.create_user(name), value=f"glpat-{name}")
    with lab.serve(), httpx.Client(trust_env=False, timeout=20) as http:
        yield lab, http


@pytest.fixture
def shop(served: tuple[GitLabServer, httpx.Client], tmp_path: Path) -> Shop:
    """`acme/shop-N`, private, with a README.md on the protected branch `main`."""
    lab, http = served
    project = lab.create_project(f"acme/shop-{next(_numbers)}")
    tokens = {}
    for name, level in LEVELS.items():
        user = lab.find_user(name)
        assert user
        tokens[name] = f"glpat-{name}"
        if level:
            lab.add_member(project, user, level)
    return Shop(lab, project, http, tmp_path, tokens)
