"""The flags PlusCoder gets, and those an operator may add."""

from __future__ import annotations

import pytest

from workflows.core.config.settings import load
from workflows.core.errors import ParametersInvalid
from workflows.tasks.agents.pluscoder import flags
from workflows.tasks.agents.pluscoder.backend import PlusCoder


@pytest.mark.parametrize(
    "flag",
    [
        "--auto_commits=true",
        "--no-dev",
        "--init",
        "--test_command=touch x",
        "--TEST_COMMAND=touch x",
        "--run-tests-after-edit=true",
        "--repository=/etc",
        "--user_input=/run id",
        "--model=other",
        "--default_agent=orchestrator",
        "--custom_agents={}",
        "--help",
    ],
)
def test_a_flag_that_would_undo_ours_is_refused_by_name(flag: str) -> None:
    with pytest.raises(ParametersInvalid, match=flag.partition("=")[0]):
        PlusCoder(load(), extra_flags=[flag])


@pytest.mark.parametrize("word", ["", "-x", "--", "touch", "--use repomap", "--=x", "/run id"])
def test_what_is_no_flag_is_refused(word: str) -> None:
    with pytest.raises(ParametersInvalid, match="no flag"):
        PlusCoder(load(), extra_flags=[word])


def test_other_flags_may_be_added() -> None:
    flags.check_extra_flags(["--use_repomap=true", "--repomap_level=3", "--hide_output_blocks"])


def test_ours_come_after_the_operators() -> None:
    line = flags.command_line("developer", "openai", "gpt-4o", ["--use_repomap=true"])

    assert line.index("--use_repomap=true") < line.index("--auto_commits=false")


@pytest.mark.parametrize("flag", ["--auto_com", "--use_repo", "--unknown=1"])
def test_a_flag_that_help_does_not_name_is_refused(flag: str) -> None:
    """Neither abbreviations, which argparse would take, nor words it would ignore."""
    with pytest.raises(ParametersInvalid, match=flag.partition("=")[0]):
        flags.check_known_flags([flag], "usage: [--auto_commits bool] [--use_repomap bool]")


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ParametersInvalid, match="nobody"):
        PlusCoder(load(), provider="nobody")
