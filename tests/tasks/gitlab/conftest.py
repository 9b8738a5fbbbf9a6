"""Fixtures: one embedded GitLab for a module, and a project on it for each test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.tasks.gitlab.support import LEVELS, ME, Answer, Hub, Scripted, settings_for
from workflows.local.gitlab_server.server import GitLabServer
from workflows.servers.serving import serve_app
from workflows.tasks.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.local.gitlab_server.state.model import Project

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabServer]:
    lab = GitLabServer(tmp_path_factory.mktemp("gitlab"))
    for name in LEVELS:
        lab.create_token(lab.create_user(name), value=f"glpat-{name}-0123456789")
    with lab.serve():
        yield lab


def _project(lab: GitLabServer) -> Project:
    project = lab.create_project(f"acme/sub/shop-{next(_numbers)}")
    for name, level in LEVELS.items():
        user = lab.find_user(name)
        if level and user:
            lab.add_member(project, user, level)
    return project


@pytest.fixture(scope="module")
def shared_project(lab: GitLabServer) -> Project:
    return _project(lab)


def _hub(lab: GitLabServer, project: Project) -> Iterator[Hub]:
    hub = Hub(lab, project)
    lab.requests.clear()
    yield hub
    lab.fault_rules.clear()
    lab.rate_limit = lab.notes_limit = None
    lab.unprepared_reads = 0
    for client in hub.clients:
        client.close()


@pytest.fixture
def hub(lab: GitLabServer) -> Iterator[Hub]:
    """`acme/sub/shop-N`, private: mona is its Maintainer, dave a Developer, gus a Guest."""
    yield from _hub(lab, _project(lab))


@pytest.fixture
def office(lab: GitLabServer, shared_project: Project) -> Iterator[Hub]:
    """The same, but one project for the module: for tests that make an issue of their own."""
    yield from _hub(lab, shared_project)


# --- servers that say what a test wants ------------------------------------------------------


@pytest.fixture(scope="module")
def servers() -> Iterator[list[tuple[Scripted, str]]]:
    """Two hosts, as ports are."""
    one, other = Scripted(), Scripted()
    with serve_app(one) as one_url, serve_app(other) as other_url:
        yield [(one, one_url), (other, other_url)]


@pytest.fixture
def script(servers: list[tuple[Scripted, str]]) -> Scripted:
    servers[0][0].reset(Answer())
    return servers[0][0]


@pytest.fixture
def url(servers: list[tuple[Scripted, str]]) -> str:
    return servers[0][1]


@pytest.fixture
def waits_s() -> list[float]:
    return []


@pytest.fixture
def client(url: str, waits_s: list[float]) -> Iterator[GitLab]:
    with GitLab.connect(settings_for(url), sleep=waits_s.append) as made:
        yield made


@pytest.fixture
def elsewhere(servers: list[tuple[Scripted, str]]) -> tuple[Scripted, str]:
    """The other host, and where it is."""
    servers[1][0].reset(Answer(body=ME))
    return servers[1]
