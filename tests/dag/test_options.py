"""The options of a DAG run: declared once, for the command and for the flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workflows.cli import flags
from workflows.cli.main import run_command_line
from workflows.core.config.declare import Secret
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid
from workflows.core.parameters import values_of
from workflows.dag.options import DagRunOptions, JobNames, JournalSync, LostAnswers
from workflows.run_dag import FLOW

if TYPE_CHECKING:
    from workflows.core.parameters import FlowParameters

WORDS = [
    *("--workflow-path", "a.yaml", "--tr-url", "http://runner", "--tr-auth-jwt", "s3cret"),
    *("--param", "a=1,b=2", "--param", "c=3", "--run-id", "r.1", "--resume", "--journal", "j"),
    *("--journal_sync", "full", "--poll-interval", "0.5", "--max-parallel", "3"),
    *("--connections", "2", "--cancel-on-exit", "--lost-answers", "repeat"),
    *("--job-names=unique", "--report", "r.html"),
]
OPTIONS = DagRunOptions(
    dag_path="a.yaml",
    tr_hostname="http://runner",
    tr_auth_jwt=Secret("s3cret"),
    param=("a=1,b=2", "c=3"),
    run_id="r.1",
    resume=True,
    journal="j",
    journal_sync=JournalSync.FULL,
    poll_interval=0.5,
    max_parallel=3,
    connections=2,
    cancel_on_exit=True,
    lost_answers=LostAnswers.REPEAT,
    job_names=JobNames.UNIQUE,
    report="r.html",
)


def given(words: list[str]) -> dict[str, object]:
    """What these flags give, by name."""
    parser = flags.Parser(prog="workflows dag run")
    flags.add_parameter_flags(parser, flags.flags_of_values(DagRunOptions))
    found = flags.parse_command_line(parser, words)
    return flags.given_values(found, DagRunOptions)


def of_flow(values: dict[str, object]) -> FlowParameters:
    """The parameters of the flow with these values."""
    parameters: FlowParameters = FLOW.validate(values, load())  # type: ignore[assignment]
    return parameters


def test_every_flag_sets_its_option() -> None:
    assert flags.read_values(given(WORDS), DagRunOptions, "") == OPTIONS


def test_the_flow_understands_what_the_command_was_given() -> None:
    assert values_of(of_flow(given(WORDS)), DagRunOptions) == OPTIONS


def test_the_flow_has_the_same_defaults() -> None:
    needed = ["--dag-path", "a.yaml", "--tr-hostname", "http://runner"]

    assert values_of(of_flow(given(needed)), DagRunOptions) == DagRunOptions(
        dag_path="a.yaml", tr_hostname="http://runner"
    )


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("--run-id", "a b", "must match the pattern"),
        ("--run-id", "..", "must match the pattern"),
        ("--run-id", "a" * 129, "at most 128 characters"),
        ("--poll-interval", "soon", "must be a number of seconds from 0 to 86400"),
        ("--poll-interval", "nan", "must be a number of seconds from 0 to 86400"),
        ("--max-parallel", "0", "must be a whole number, at least 1"),
        ("--connections", "1025", "must be a whole number from 1 to 1024"),
        ("--lost-answers", "never", "must be `fail` or `repeat`"),
    ],
)
def test_a_wrong_value_is_refused_by_command_and_flow(
    flag: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = ["--dag-path", "a.yaml", "--tr-hostname", "http://runner"]

    assert run_command_line(["dag", "run", *needed, flag, value]) == 2
    said = capsys.readouterr().err
    assert f"{flag}: must" in said
    assert expected in said
    assert run_command_line(["run", "run_dag", *needed, flag, value]) == 2
    assert flag.strip("-").replace("-", "_") in capsys.readouterr().err


def test_all_wrong_values_are_named_at_once() -> None:
    words = ["--dag-path=a", "--connections=x", "--max-parallel=-1", "--run-id=/"]

    with pytest.raises(CommandLineInvalid) as caught:
        flags.read_values(given(words), DagRunOptions, "workflows dag run")

    named = [line.partition(": ")[0] for line in caught.value.why.splitlines()]
    assert named == ["--tr-hostname", "--run-id", "--max-parallel", "--connections"]
