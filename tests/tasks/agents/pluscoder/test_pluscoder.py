"""How PlusCoder is found, started and reported, with small real programs in its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import PLUSCODER
from tests.tasks.support import SHOP, Desk, new_desk
from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.settings import load
from workflows.core.errors import AgentFailed, ParametersInvalid, ProgramMissing
from workflows.tasks.agents.pluscoder import flags
from workflows.tasks.agents.pluscoder.backend import PlusCoder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    made = new_desk(tmp_path / "desk", SHOP | {".env": "A=1\n"})
    made.commit_all()
    return made


def stand_in(desk: Desk, script: str) -> PlusCoder:
    """PlusCoder, with a shell script for the program."""
    program = desk.program("pluscoder", f"#!/bin/sh\n{script}\n")
    return PlusCoder(load(pluscoder=str(program)))


def test_every_flag_we_pass_is_in_the_help_of_the_installed_version() -> None:
    """PlusCoder ignores a flag it does not know in silence, so this is where it shows."""
    done = process.run(
        [str(PLUSCODER / "bin" / "pluscoder"), "--help"],
        env=environment.for_child({"COLUMNS": "200"}.items()),
        timeout_s=60,
    )

    known = flags.flags_in_help(done.stdout)
    ours = set(flags.flag_names(flags.command_line("developer", "openai", "gpt-4o", ())))
    assert ours <= known
    assert set(flags.TAKEN) <= known


def test_the_program_of_the_settings_is_used() -> None:
    found = PlusCoder(load(pluscoder=str(PLUSCODER / "bin" / "pluscoder")))

    assert found.program() == PLUSCODER / "bin" / "pluscoder"
    assert found.name == "PlusCoder 0.1.4rc0"


def test_a_program_that_is_not_there_says_how_to_get_it(desk: Desk) -> None:
    with pytest.raises(ProgramMissing) as caught:
        desk.let(PlusCoder(load(pluscoder="/nowhere/pluscoder")))

    assert "/nowhere/pluscoder" in caught.value.why
    assert "workflows agent install pluscoder" in caught.value.fix


@pytest.mark.parametrize("provider", ["anthropic", "google", "aws_bedrock", "litellm"])
def test_without_a_key_it_is_not_started(desk: Desk, provider: str) -> None:
    program = desk.program("pluscoder", "#!/bin/sh\ntouch started\n")

    with pytest.raises(AgentFailed, match=provider) as caught:
        desk.let(PlusCoder(load(pluscoder=str(program)), provider=provider))

    assert "_KEY" in caught.value.why
    assert not (desk.folder / "started").exists()


def test_an_env_file_above_the_program_is_refused(desk: Desk) -> None:
    """PlusCoder would read it, and it may hold the operator's tokens."""
    agent = stand_in(desk, "touch started")
    (desk.root / ".env").write_text("GITLAB_TOKEN=glpat-x\n")

    with pytest.raises(AgentFailed, match=r"\.env"):
        desk.let(agent)

    (desk.root / ".env").write_text("")
    assert desk.let(agent).exit_code == 0


def test_a_failure_behind_exit_code_0_is_told(desk: Desk) -> None:
    report = desk.let(stand_in(desk, "echo 'An error occurred. No model.'; echo bye"))

    assert report.exit_code == 1
    assert report.last_lines.endswith("(exit code 0, yet it failed: An error occurred. No model.)")


def test_an_end_that_is_good_is_told_as_it_is(desk: Desk) -> None:
    report = desk.let(stand_in(desk, "echo done"))

    assert (report.exit_code, report.last_lines.strip()) == (0, "done")
    assert (report.tokens_in, report.tokens_out, report.cost_usd) == (None, None, None)


def test_the_clones_settings_come_back_after_a_time_limit(desk: Desk) -> None:
    report = desk.let(stand_in(desk, "ls -A > seen; sleep 600"), timeout_s=2)

    assert report.timed_out
    assert ".env" not in (desk.folder / "seen").read_text().split()
    assert (desk.folder / ".env").read_text() == "A=1\n"
    assert desk.git("status", "--porcelain") == "?? seen\n"


def test_a_flag_this_version_does_not_have_is_refused(desk: Desk) -> None:
    program = desk.program("pluscoder", "#!/bin/sh\necho 'usage: [--use_repomap bool]'\n")
    settings = load(pluscoder=str(program))

    with pytest.raises(ParametersInvalid, match="--no_such"):
        desk.let(PlusCoder(settings, extra_flags=["--no_such=1"]))

    assert desk.let(PlusCoder(settings, extra_flags=["--use_repomap=true"])).exit_code == 0


def test_the_prompt_is_not_in_its_arguments(desk: Desk) -> None:
    desk.let(stand_in(desk, 'printf "%s\\n" "$@"'), "word-of-the-prompt")

    told = (desk.home / ".config" / "pluscoder" / "config.yml").read_text()
    assert json.loads(told)["user_input"] == "word-of-the-prompt"
    assert "word-of-the-prompt" not in desk.log.read_text()
    assert "--auto_commits=false" in desk.log.read_text()
