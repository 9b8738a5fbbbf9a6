"""What a person sees in a real browser: the issue, our note, the merge request with its diff."""

from __future__ import annotations

import re
import shutil
from html import unescape
from typing import TYPE_CHECKING

import pytest

from workflows.core import process
from workflows.core.config import environment
from workflows.core.flow import FlowState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack import Stack

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")


def text_of(url: str, folder: Path) -> str:
    """The page's text after the browser has rendered it."""
    assert BROWSER
    quiet = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
    done = process.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", *quiet, "--disable-component-update"),
            *("--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'browser'}"),
            *("--dump-dom", url),
        ],
        env=environment.for_child({"HOME": str(folder)}.items()),
        timeout_s=60,
    )
    return unescape(re.sub(r"<[^>]+>", " ", done.stdout))


def test_a_person_finds_issue_note_and_diff(stack: Stack, tmp_path: Path) -> None:
    issue = stack.issue()
    stack.lab.person = stack.people["mona"]
    outcome = stack.resolve(issue)
    assert outcome.state is FlowState.SUCCEEDED, outcome.message

    page = text_of(f"{stack.url}/acme/shop/-/issues/{issue.iid}", tmp_path)
    assert "The price is 0" in page
    assert "Workflows" in page
    assert "has made !1" in page
    assert '"owner"' not in page  # the marker is not for people

    page = text_of(f"{stack.url}/acme/shop/-/merge_requests/1", tmp_path)
    assert 'Draft: Resolve "The price is 0"' in page
    assert "Checks passed" in page
    assert re.search(r"\+\s*return 7", page)
    assert re.search(r"-\s*return 0", page)
