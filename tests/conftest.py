"""Fixtures: a real git server over HTTP, and the real command as a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.forked import ForkedCli
from tests.gcs import Bucket, running_gcs
from tests.prefect_server import prefect_server
from tests.stack import BOT_TOKEN, FILES, Stack, people_of
from tests.support import DEVELOPER_TOKEN, PROJECT, REPORTER_TOKEN, TOKEN, Cli, Remote
from workflows.core.config import environment
from workflows.core.config.settings import Settings, load
from workflows.local.git_server.http import Account, GitServer
from workflows.local.gitlab_server.server import GitLabServer
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xdist.remote import Producer


# Files that take long, the longest first. They are started before all others, so that no worker
# is left alone with one at the end.
_LONG = (
    "test_resolve_issue_faults",
    "test_resolve_issue_crashes",
    "test_demo",
    "test_real_run",
    "test_clone",
    "test_whole_chain",
    "test_hello_world",
)
_INDEPENDENT = ("test_resolve_issue_faults", "test_resolve_issue_crashes")


class SharedFixtures(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives one worker of pytest-xdist what shares a costly fixture; used with `--dist loadfile`.

    All files that need the Prefect server stay together, as do the tests of every other file; but
    the tests of the longest files share nothing and go to any worker, one by one.
    """

    def _split_scope(self, nodeid: str) -> str:
        """The name of the group that a test belongs to."""
        file = nodeid.split("::", maxsplit=1)[0]
        stem = file.rpartition("/")[2].removesuffix(".py")
        if stem.endswith("_prefect"):
            return "prefect"
        return nodeid if stem in _INDEPENDENT else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Replace the scheduler of `--dist loadfile`."""
    return SharedFixtures(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first."""

    def place(item: pytest.Item) -> int:
        stem = item.path.stem
        if stem.endswith("_prefect"):
            return -1
        return _LONG.index(stem) if stem in _LONG else len(_LONG)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No setting of the developer's reaches a test, and no test reaches the developer's home."""
    described = {one.variable for one in Settings.declared().values()}
    for name in environment.whole():
        if name in described or name.startswith(("GIT_", "PREFECT_", "WORKFLOWS_", "WORKFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    """`acme/shop` with a README.md on `main`, private, `main` protected."""
    root = tmp_path / "server"
    accounts = [
        Account("maintainer", TOKEN, 40),
        Account("developer", DEVELOPER_TOKEN, 30),
        Account("reporter", REPORTER_TOKEN, 20),
    ]
    server = GitServer(root, accounts)
    folder = server.create_repository(PROJECT)
    with serve_app(server.app) as base_url:
        yield Remote(server, base_url, folder)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a Maintainer's token and retries that do not wait long."""
    monkeypatch.setenv("GIT_TOKEN", TOKEN)
    monkeypatch.setenv("WORKFLOWS_RETRY_DELAY_S", "0.05")
    return load()


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """An embedded GitLab with `acme/shop`; the settings of this process point at it as the bot."""
    lab = GitLabServer(tmp_path / "gitlab")
    project = lab.create_project(PROJECT, files=FILES)
    people = people_of(lab, project)
    lab.create_token(people["bot"], value=BOT_TOKEN)
    with lab.serve() as url:
        variables = {
            "GITLAB_URL": url,
            "GITLAB_TOKEN": BOT_TOKEN,
            "WORKFLOWS_RETRY_DELAY_S": "0.05",
            "WORKFLOWS_LEASE_S": "3",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield Stack(lab, url, project, tmp_path, people, variables)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command, in an empty folder that is also its TMPDIR, with a Maintainer's token."""
    folder = tmp_path / "cli"
    folder.mkdir()
    return Cli(folder, {"GIT_TOKEN": TOKEN})


@pytest.fixture
def forked(cli: Cli) -> ForkedCli:
    """The same in a process that has imported the command already; for tests that run it often."""
    return ForkedCli(cli.cwd, cli.env)


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """The address of a real fake-gcs-server, one for each worker."""
    with running_gcs() as address:
        yield address


@pytest.fixture
def gcs(gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket of this test's own in Cloud Storage's stand-in, where `gs://` leads."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    return Bucket.create(gcs_server)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API URL of a running Prefect server, which is started once: it takes 10 s of CPU."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url
