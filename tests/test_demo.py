"""`make demo`: the embedded GitLab, the real PlusCoder on the recorded model, a merge request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support import PLUSCODER, ROOT

if TYPE_CHECKING:
    from tests.support import Cli


def without_accidents(text: str) -> set[str]:
    """The lines, with ports, ids and times made the same."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "ID", text)
    text = re.sub(r"\b\d\d:\d\d:\d\d\b", "TIME", text)
    text = re.sub(r"\d+\.\d\d s", "SECONDS", text)
    return {line.rstrip() for line in text.splitlines() if line.strip()}


def test_the_demo_makes_a_merge_request_whose_change_passes_the_tests(cli: Cli) -> None:
    """It does what the README shows, says where to look, and leaves nothing behind."""
    cli.limit_s = 175
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"```text\n(A GitLab with.*?)```", readme, re.DOTALL)
    assert block is not None

    done = cli("demo", WORKFLOWS_PLUSCODER=str(PLUSCODER / "bin" / "pluscoder"))

    assert done.exit_code == 0, done.stderr
    assert without_accidents(block[1]) <= without_accidents(done.stdout + done.stderr)
    assert re.search(r"^check passed +yes$", done.stdout, re.MULTILINE)
    assert re.search(r"^issue: +http://\S+/acme/shop/-/issues/1$", done.stdout, re.MULTILINE)
    shown = re.search(r"^merge request: +(http://\S+)$", done.stdout, re.MULTILINE)
    assert shown
    assert shown[1].endswith("/acme/shop/-/merge_requests/1")
    assert "+    return sum(prices) * (1 - discount)" in done.stdout
    assert list(cli.cwd.iterdir()) == []


def test_without_pluscoder_the_demo_says_how_to_install_it_and_starts_nothing(cli: Cli) -> None:
    done = cli("demo", WORKFLOWS_PLUSCODER="/nowhere/pluscoder")

    assert done.exit_code == 1
    assert "PlusCoder is not installed" in done.stderr
    assert "`workflows agent install pluscoder`" in done.stderr
    assert done.stdout == ""
