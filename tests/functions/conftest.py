"""Fixtures: the staged functions, a Pub/Sub, and each function served with both behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.functions import support
from tests.functions.support import Served, ToyCloudRun, serve_function
from workflows.core.config import environment
from workflows.functions import staging
from workflows.local import pubsub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from workflows.local.pubsub import PulledMessage


@dataclass
class Cloud:
    """A Pub/Sub with topic, dead letters and their pull subscription; a toy Cloud Run API."""

    folder: Path
    staged: Path
    pubsub: pubsub.PubSub
    url: str
    run: ToyCloudRun

    def variables(self) -> dict[str, str]:
        """What Terraform sets on the functions, and where the two stand-ins are."""
        return {
            "WORKFLOW_JOBS": json.dumps(support.JOBS),
            "WORKFLOWS_PROJECT": support.PROJECT,
            "WORKFLOWS_REGION": support.REGION,
            "WORKFLOWS_TOPIC": support.TOPIC,
            "WORKFLOWS_DEAD_LETTER_TOPIC": support.DEAD_TOPIC,
            "CLOUD_RUN_API": self.run.url,
            "PUBSUB_EMULATOR_HOST": self.url.removeprefix("http://"),
        }

    def serve(self, name: str, **more: str) -> AbstractContextManager[Served]:
        """A function, as a context manager."""
        return serve_function(self.staged, name, self.variables() | more, self.folder)

    def letters(self) -> list[PulledMessage]:
        """The dead letters that have come since the last look."""
        found = pubsub.pull(self.url, support.DEAD)
        pubsub.acknowledge(self.url, support.DEAD, found)
        return found

    def next_letters(self) -> list[PulledMessage]:
        """The same, once there is one."""
        found: list[PulledMessage] = []

        def come() -> bool:
            found.extend(self.letters())
            return bool(found)

        support.until(come, timeout_s=60)
        return found


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    staging.stage(folder)
    return folder


def make_cloud(folder: Path, staged: Path, kind: pubsub.PubSubKind) -> Iterator[Cloud]:
    """A cloud for the time of a fixture."""
    server = pubsub.PubSub(folder, kind=kind)
    run = ToyCloudRun()
    with run.serve(), server.serve() as url:
        for topic in (support.TOPIC, support.DEAD_TOPIC):
            pubsub.create_topic(url, topic)
        pubsub.create_pull_subscription(url, support.DEAD, support.DEAD_TOPIC)
        yield Cloud(folder, staged, server, url, run)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, staged: Path) -> Iterator[Cloud]:
    """With the stand-in for Pub/Sub."""
    yield from make_cloud(tmp_path_factory.mktemp("cloud"), staged, pubsub.PubSubKind.STAND_IN)


@pytest.fixture(scope="module")
def real_cloud(tmp_path_factory: pytest.TempPathFactory, staged: Path) -> Iterator[Cloud]:
    """With Google's own Pub/Sub emulator."""
    need_emulator()
    yield from make_cloud(tmp_path_factory.mktemp("cloud"), staged, pubsub.PubSubKind.EMULATOR)


def need_emulator() -> None:
    """Skip where the emulator is not; with NEED_PUBSUB_EMULATOR set (CI), fail."""
    if pubsub.find_emulator() is None:
        why = "NO PUB/SUB EMULATOR: install Java and the SDK's component pubsub-emulator"
        if environment.variable("NEED_PUBSUB_EMULATOR"):
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="module")
def trigger(cloud: Cloud) -> Iterator[Served]:
    with serve_function(cloud.staged, "workflow_trigger", cloud.variables(), cloud.folder) as one:
        yield one
