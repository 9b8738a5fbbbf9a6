"""Parameters of flow steps, checked against the flows' own before anything is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from workflows.core import process
from workflows.core.errors import DagInvalid
from workflows.dag.file.loader import parse_dag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support import Cli
    from workflows.dag.file.findings import Finding

GOOD = "git_url: https://git.example.com/a.git, feature_request: mend it"


def file_of(*lines: str) -> str:
    return "name: test\nsteps:\n- id: edit\n" + "".join(f"  {line}\n" for line in lines)


def found(text: str, params: Mapping[str, str] | None = None) -> list[Finding]:
    try:
        parse_dag("dag.yaml", text.encode(), params or {})
    except DagInvalid as error:
        return list(error.findings)
    return []


def one(text: str, params: Mapping[str, str] | None = None) -> tuple[int, int, str, str]:
    """The place, message and suggestion of the only finding; it names the step."""
    (finding,) = found(text, params)
    assert finding.step == "edit"
    return finding.line, finding.column, finding.message, finding.suggestion


def test_sound_parameters_are_taken() -> None:
    assert (
        found(file_of("workflow: push_feature", f"parameters: {{{GOOD}, max_attempts: 2}}")) == []
    )


def test_an_unknown_parameter_is_named_with_the_nearest_right_one() -> None:
    text = file_of("workflow: push_feature", "parameters:", f"  {GOOD}".replace(", ", "\n    "))

    assert one(text + "    max_atempts: 2\n") == (
        8,
        5,
        "the flow push_feature has no parameter 'max_atempts'",
        "did you mean 'max_attempts'?",
    )


def test_missing_required_parameters_are_named_together() -> None:
    text = file_of("workflow: push_feature", "parameters: {model: small}")

    assert one(text) == (
        5,
        3,
        "the flow push_feature needs 'git_url', 'feature_request'",
        "give it in `parameters`",
    )


def test_a_flow_step_without_parameters_lacks_them_too() -> None:
    line, column, message, _ = one(file_of("workflow: hello_world"))

    assert (line, column, message) == (4, 3, "the flow hello_world needs 'git_url'")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("max_attempts: many", "'max_attempts' must be a whole number, not this text"),
        ("max_attempts: 1.5", "'max_attempts' must be a whole number, not a number"),
        ("timeout_s: soon", "'timeout_s' must be a number, not this text"),
        ("model: [a, b]", "'model' must be text, not a list"),
        ("extra_flags: {a: 1}", "'extra_flags' must be a list, not an object"),
    ],
)
def test_a_value_of_the_wrong_kind_is_found_where_it_stands(value: str, words: str) -> None:
    text = file_of("workflow: push_feature", f"parameters: {{{GOOD}, {value}}}")
    column = len(f"  parameters: {{{GOOD}, {value.partition(' ')[0]} ") + 1

    assert one(text) == (5, column, words, "")


def test_null_stands_for_not_given() -> None:
    fine = file_of("workflow: push_feature", f"parameters: {{{GOOD}, source_branch: null}}")
    lacks = file_of("workflow: hello_world", "parameters: {git_url: null}")

    assert found(fine) == []
    assert one(lacks)[2] == "the flow hello_world needs 'git_url'"


def test_both_spellings_of_a_name_are_taken_but_not_at_once() -> None:
    fine = file_of("workflow: hello-world", "parameters: {git-url: https://git.example.com/a.git}")
    twice = file_of("workflow: hello_world", "parameters: {git-url: https://x, git_url: https://y}")

    assert found(fine) == []
    assert one(twice)[2] == "the parameter 'git_url' is there in two spellings"


def test_an_unknown_flow_is_named_with_the_nearest_right_one() -> None:
    line, column, message, fix = one(file_of("workflow: push_featur"))

    assert (line, column) == (4, 13)
    assert (message, fix) == ("there is no flow 'push_featur'", "did you mean 'push_feature'?")


def test_a_template_is_judged_by_the_value_it_gets() -> None:
    text = file_of(
        "workflow: push_feature", f'parameters: {{{GOOD}, max_attempts: "{{{{ params.n }}}}"}}'
    )

    assert found(text, {"n": "2"}) == []
    assert one(text, {"n": "two"})[2] == "'max_attempts' must be a whole number, not this text"


def test_of_a_template_without_a_value_only_that_is_said() -> None:
    text = file_of(
        "workflow: push_feature", f'parameters: {{{GOOD}, max_attempts: "{{{{ params.n }}}}"}}'
    )

    assert one(text)[2:] == ("no value for parameter 'n'", "give --param n=VALUE")


def test_a_value_that_no_command_line_can_hold_is_refused() -> None:
    text = file_of("workflow: hello_world", f"parameters: {{git_url: {'x' * 40_000}}}")

    assert "more than 32768" in one(text)[2]


def test_checking_imports_neither_prefect_nor_pydantic(cli: Cli) -> None:
    file = cli.cwd / "dag.yaml"
    file.write_text(file_of("workflow: hello_world", "parameters: {git_url: 'https://x'}"))
    program = (
        "import sys; from workflows.cli.main import run_command_line as run\n"
        f"assert run(['dag', 'validate', {str(file)!r}]) == 0\n"
        "print([m for m in ('prefect', 'pydantic', 'httpx') if m in sys.modules])\n"
    )

    done = process.run([sys.executable, "-c", program], env=cli.environment({}), timeout_s=60)

    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_refuses_before_it_asks_the_runner_for_anything(cli: Cli) -> None:
    file = cli.cwd / "dag.yaml"
    file.write_text(file_of("workflow: hello_world", "parameters: {branch: x}"))
    words = ("--tr-hostname", "http://127.0.0.1:9", "--tr-auth-jwt", "none")

    done = cli("dag", "run", "--dag-path", str(file), *words)

    assert done.exit_code == 2
    assert f"{file}:5:3: step 'edit': the flow hello_world needs 'git_url'" in done.stderr
