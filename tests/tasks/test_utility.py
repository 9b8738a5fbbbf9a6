"""Scratch folders, files written into clones, notifications to a real HTTP receiver."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from workflows.core.config.declare import Secret
from workflows.core.config.settings import Settings, load
from workflows.core.errors import PathRefused, Terminated
from workflows.core.flow import FlowOutcome, FlowState
from workflows.servers.serving import serve_app
from workflows.tasks import utility

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

OUTCOME = FlowOutcome(
    workflow="hello_world",
    title="acme/shop",
    run_id="r-1",
    state=FlowState.SUCCEEDED,
    duration_s=2.345,
    exit_code=0,
    result={"branch": "b", "web_url": "https://gitlab.example.com/acme/shop/-/tree/b"},
)


@dataclass
class Receiver:
    """A webhook receiver that can be told to be slow or to refuse."""

    url: str = ""
    status: int = 200
    release: threading.Event = field(default_factory=threading.Event)
    hold: bool = False
    got: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running receiver; its Apprise URL is `json://127.0.0.1:PORT/hook`."""
    here = Receiver()

    async def hook(request: Request) -> PlainTextResponse:
        here.got.append(await request.json())
        return PlainTextResponse("", here.status)

    def held(_: Request) -> PlainTextResponse:
        here.release.wait(20)
        return PlainTextResponse("")

    routes = [
        Route("/hook", hook, methods=["POST"]),
        Route("/held", held, methods=["POST"]),
    ]
    with serve_app(Starlette(routes=routes)) as base_url:
        here.url = base_url.replace("http://", "json://")
        yield here
        here.release.set()


def with_urls(*urls: str, timeout_s: float = 10) -> Settings:
    """Settings that notify these URLs."""
    return load(notify_urls=tuple(map(Secret, urls)), notify_timeout_s=timeout_s)


def test_a_notification_has_title_outcome_duration_and_link(receiver: Receiver) -> None:
    """Whoever is notified can tell what ran, how it ended, how long it took, where to look."""
    utility.notify(OUTCOME, with_urls(f"{receiver.url}/hook"))

    (message,) = receiver.got
    assert message["title"] == "hello_world succeeded: acme/shop"
    assert "Succeeded after 2.3 s." in message["message"]
    assert "https://gitlab.example.com/acme/shop/-/tree/b" in message["message"]


def test_a_failure_is_told_with_its_reason_and_without_secrets(receiver: Receiver) -> None:
    """The error's what, why and fix are in the message; a token in it is not."""
    failed = replace(
        OUTCOME,
        state=FlowState.FAILED,
        message="refused\n  why: glpat-abcdefghij0123456789\n  fix: x",
    )

    utility.notify(failed, with_urls(f"{receiver.url}/hook"))

    (message,) = receiver.got
    assert message["title"] == "hello_world failed: acme/shop"
    assert "refused" in message["message"]
    assert "fix: x" in message["message"]
    assert "glpat-abcdefghij" not in message["message"]


def test_every_url_is_tried_and_failures_are_logged_by_number(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """One refused, one unknown and one dead target do not keep the last from being told."""
    logging.getLogger("workflows").propagate = True
    dead = "json://user:hunter2-secret@127.0.0.1:1/x"

    utility.notify(OUTCOME, with_urls("nosuch://x", dead, f"{receiver.url}/hook"))

    assert len(receiver.got) == 1
    said = caplog.text
    assert "notification 1 not sent" in said
    assert "notification 2 not sent" in said
    assert "hunter2-secret" not in said


def test_a_slow_receiver_does_not_hold_the_flow(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """After `notify_timeout_s` the flow goes on, and the log says who was not told."""
    logging.getLogger("workflows").propagate = True
    started = time.monotonic()

    utility.notify(OUTCOME, with_urls(f"{receiver.url}/held", timeout_s=0.5))

    assert time.monotonic() - started < 3
    assert "notification 1 not sent within 0.5 s" in caplog.text


def test_a_scratch_folder_is_private_and_goes_away() -> None:
    """Only the owner may look in, and after the block it is gone."""
    with utility.scratch_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("x")

    assert not folder.exists()


@pytest.mark.parametrize("error", [ValueError("x"), Terminated()])
def test_a_scratch_folder_goes_away_on_failure(error: BaseException) -> None:
    """An error or a signal inside the block removes the folder and goes on its way."""
    with pytest.raises(type(error)), utility.scratch_folder() as folder:
        raise error

    assert not folder.exists()


def test_read_only_folders_are_removed_too() -> None:
    """What a program inside made read-only does not stay behind."""
    with utility.scratch_folder() as folder:
        (folder / "locked" / "deep").mkdir(parents=True)
        (folder / "locked" / "deep" / "file").write_text("x")
        (folder / "locked" / "deep").chmod(0o500)
        (folder / "locked").chmod(0o500)

    assert not folder.exists()


def test_scratch_follows_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TMPDIR decides where scratch folders are."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)

    with utility.scratch_folder() as folder:
        assert folder.parent == tmp_path


def test_a_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A clone that holds a symbolic link of the name cannot make us write elsewhere."""
    outside = tmp_path / "outside"
    outside.write_text("precious")
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "HELLO.md").symlink_to(outside)

    with pytest.raises(PathRefused):
        utility.write_file(clone, "HELLO.md", "x")

    assert outside.read_text() == "precious"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", ".", ".git", ""])
def test_only_plain_names_are_written(tmp_path: Path, name: str) -> None:
    """A name that leads anywhere else is refused."""
    with pytest.raises(PathRefused):
        utility.write_file(tmp_path, name, "x")

    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the names are all that matters
