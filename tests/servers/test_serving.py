"""Serving an app over HTTP. Slow and vanished clients: `tests/local/git_server/test_serving.py`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from starlette.applications import Starlette

from workflows.servers.serving import serve_app


def test_app_that_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    """An app that fails to start raises where it is served instead of hanging."""

    class Broken(AbstractAsyncContextManager[None]):
        def __init__(self, app: Starlette) -> None:
            self.app = app

        async def __aenter__(self) -> None:
            raise LookupError("no database")

        async def __aexit__(self, *_: object) -> None:
            """Never reached."""

    with pytest.raises(RuntimeError, match="did not start"), serve_app(Starlette(lifespan=Broken)):
        pass
    assert "no database" in caplog.text
