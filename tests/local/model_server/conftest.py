"""Fixtures: a folder of recordings, and models served from it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.local.model_server.support import Client, record
from workflows.local.model_server import RecordedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """One answer, in two pieces, to whoever says "greet"."""
    folder = tmp_path / "recordings"
    record(
        folder,
        "greet",
        when={"contains": ["greet"]},
        answer=["Hello ", "wörld"],
        usage={"prompt_tokens": 7, "completion_tokens": 2},
    )
    return folder


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Serves a model until the test ends."""
    with ExitStack() as stack:

        def starting(folder: Path, **options: Any) -> Client:
            model = RecordedModel(folder, **options)
            http = stack.enter_context(httpx.Client(trust_env=False, timeout=20))
            return Client(http, stack.enter_context(model.serve()), model)

        yield starting


@pytest.fixture
def model(recordings: Path, start: Callable[..., Client]) -> Client:
    return start(recordings)
