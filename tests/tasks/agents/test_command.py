"""Agents that are any command, with small real programs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.tasks.support import SHOP, Desk, new_desk
from workflows.core.config.settings import load
from workflows.core.errors import ParametersInvalid, ProgramMissing
from workflows.tasks.agents.command import CommandAgent

if TYPE_CHECKING:
    from pathlib import Path

EDITS = "import sys; open('shop.py', 'a').write('# ' + sys.stdin.read())"
TELLS = "import json, os; json.dump(dict(os.environ), open('seen.json', 'w'))"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = new_desk(tmp_path / "desk", SHOP)
    made.commit_all()
    return made


def test_it_edits_the_folder_as_the_prompt_says(desk: Desk) -> None:
    agent = CommandAgent(desk.python(EDITS), load())

    report = desk.let(agent, "say grüezi")

    assert (report.exit_code, report.timed_out) == (0, False)
    assert (desk.folder / "shop.py").read_text().endswith("# say grüezi")
    assert desk.git("status", "--porcelain") == " M shop.py\n"


def test_one_that_does_nothing_leaves_the_tree_as_it_was(desk: Desk) -> None:
    report = desk.let(CommandAgent(desk.python("pass"), load()))

    assert report.exit_code == 0
    assert desk.git("status", "--porcelain") == ""


def test_one_that_fails_is_reported_and_not_raised(desk: Desk) -> None:
    report = desk.let(CommandAgent(desk.python("raise SystemExit('I cannot')"), load()))

    assert report.exit_code == 1
    assert "I cannot" in report.last_lines
    assert "I cannot" in desk.log.read_text()
    assert "I cannot" in "\n".join(desk.lines)


def test_one_that_ignores_its_prompt_is_none_the_worse(desk: Desk) -> None:
    agent = CommandAgent(desk.python("import os; os.close(0); print('done')"), load())

    report = desk.let(agent, "x" * 3_000_000)

    assert report.exit_code == 0
    assert report.last_lines.strip() == "done"


def test_a_long_prompt_arrives_whole(desk: Desk) -> None:
    desk.let(
        CommandAgent(desk.python("import sys; print(len(sys.stdin.read()))"), load()),
        "y" * 3_000_000,
    )

    assert "3000000" in desk.log.read_text()


def test_much_output_is_kept_in_the_log_and_only_its_end_in_the_report(desk: Desk) -> None:
    agent = CommandAgent(desk.python("print(('z' * 99 + '\\n') * 50_000 + 'the end')"), load())

    report = desk.let(agent)

    assert desk.log.stat().st_size > 5_000_000
    assert report.last_lines.strip().endswith("the end")
    assert len(report.last_lines) < 100_000


def test_one_that_takes_too_long_is_ended_with_its_children(desk: Desk) -> None:
    sleeps = "import os, time; os.fork(); open('shop.py', 'a').write('#'); time.sleep(600)"

    before = time.monotonic()
    report = desk.let(CommandAgent(desk.python(sleeps), load()), timeout_s=1.5)

    assert report.timed_out
    assert time.monotonic() - before < 20
    assert "#" in (desk.folder / "shop.py").read_text()


def test_it_sees_no_token_and_no_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_TOKEN", "GITLAB_TOKEN", "NOTIFY_URLS", "OPENAI_API_KEY", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, f"secret-{name}")

    desk.let(CommandAgent(desk.python(TELLS), load()))

    seen = json.loads((desk.folder / "seen.json").read_text())
    assert seen["HOME"] == str(desk.home)
    assert seen["PATH"]
    assert "secret-" not in json.dumps(seen)


def test_it_sees_the_key_of_its_provider_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-anthropic")

    desk.let(CommandAgent(desk.python(TELLS), load(), provider="openai"))

    seen = json.loads((desk.folder / "seen.json").read_text())
    assert seen["OPENAI_API_KEY"] == "sk-of-openai"
    assert seen["OPENAI_BASE_URL"] == seen["OPENAI_API_BASE"] == "http://127.0.0.1:9/v1"
    assert "ANTHROPIC_API_KEY" not in seen


def test_a_program_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(ProgramMissing, match="no-such-agent"):
        desk.let(CommandAgent(["no-such-agent"], load()))


@pytest.mark.parametrize("command", [[], [""]])
def test_an_empty_command_is_refused(command: list[str]) -> None:
    with pytest.raises(ParametersInvalid):
        CommandAgent(command, load())


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ParametersInvalid, match="nobody"):
        CommandAgent(["true"], load(), provider="nobody")


def test_people_know_it_by_its_program() -> None:
    assert CommandAgent(["/opt/bin/aider", "--yes"], load()).name == "aider"
