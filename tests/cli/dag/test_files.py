"""`workflows dag validate`, `show` and `schema`, as a person and as a script call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workflows.cli.main import run_command_line as workflows
from workflows.core.google import storage
from workflows.dag.file import schema

if TYPE_CHECKING:
    from tests.gcs import Bucket

DAGS = Path(__file__).parents[3] / "dags"
SIMPLE = str(DAGS / "simple_dag.yaml")
MIXED = str(DAGS / "mixed_flow_dag.yaml")
WRONG = "name: x\nsteps:\n- id: a\n  task: {imageUrl: x}\n- id: a\n  dependsOn: [b]\n"


def test_a_sound_file_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert workflows(["dag", "validate", MIXED, "--param", "project=shop"]) == 0

    assert capsys.readouterr().out == f"{MIXED}: mixed_flow, 3 steps, no mistakes\n"


def test_every_mistake_is_a_line_and_the_exit_code_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)

    assert workflows(["dag", "validate", str(path)]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"{path}:4:9: step 'a': the task has no `imageUri` (name the image to run)",
        f"{path}:4:10: step 'a': unknown key 'imageUrl' (did you mean 'imageUri'?)",
        f"{path}:5:3: step 'a': the step has neither `task` nor `workflow` (give it one of them)",
        f"{path}:5:7: step 'a': duplicate id (it is the id of step number 1 too)",
        f"{path}:6:15: step 'a': depends on unknown step 'b' (there is no step with this id)",
    ]


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)

    assert workflows(["dag", "validate", str(path), "--json"]) == 2
    wrong = json.loads(capsys.readouterr().out)
    assert workflows(["dag", "validate", SIMPLE, "--json"]) == 0
    sound = json.loads(capsys.readouterr().out)

    assert (wrong["valid"], len(wrong["findings"])) == (False, 5)
    assert wrong["findings"][3] == {
        "line": 5,
        "column": 7,
        "step": "a",
        "message": "duplicate id",
        "suggestion": "it is the id of step number 1 too",
    }
    assert (sound["valid"], sound["steps"], sound["findings"]) == (True, 3, [])


def test_a_missing_file_and_a_missing_parameter_end_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert workflows(["dag", "validate", "none.yaml"]) == 2
    assert "cannot read none.yaml" in capsys.readouterr().err
    assert workflows(["dag", "validate", MIXED]) == 2
    assert "give --param project=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "show"])
def test_a_sound_file_that_lacks_a_parameter_is_not_called_wrong(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to_runner = ["--tr-hostname", "127.0.0.1:9", "--tr-auth-jwt", "none"]
    words = ["run", "--dag-path", MIXED, *to_runner] if command == "run" else ["show", MIXED]

    assert workflows(["dag", *words]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"error: {MIXED} needs the parameter project\n")
    assert "8:35: step 'report': no value for parameter 'project'" in said
    assert said.endswith("fix: add --param project=VALUE; nothing was run\n")


def test_parameters_and_mistakes_are_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(
        WRONG.replace("name: x", "name: x\nmaxParallel: 0") + "  env: {A: '{{params.b}}'}\n"
    )

    assert workflows(["dag", "show", str(path)]) == 2

    assert "fix: add --param b=VALUE, and mend the file; nothing" in capsys.readouterr().err


def test_the_documents_give_the_mixed_example_its_parameter() -> None:
    texts = [*DAGS.parent.glob("*.md"), *DAGS.parent.glob("docs/**/*.md"), *DAGS.glob("*.yaml")]
    lines = [line for text in texts for line in text.read_text().splitlines()]
    commands = [line for line in lines if "mixed_flow_dag.yaml" in line and "workflows dag" in line]

    assert len(commands) >= 3
    assert all("--param project=" in line for line in commands)


@pytest.mark.parametrize("words", [["x"], ["=x"], ["a=1", "a=2"]])
def test_a_parameter_that_is_none_ends_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [part for word in words for part in ("--param", word)]

    assert workflows(["dag", "validate", SIMPLE, *flags]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err


def test_a_file_in_cloud_storage(gcs: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    storage.write_object(gcs.url("simple.yaml"), Path(SIMPLE).read_bytes())

    assert workflows(["dag", "validate", gcs.url("simple.yaml")]) == 0
    assert "no mistakes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("form", "start"), [("mermaid", "flowchart"), ("dot", "digraph"), ("svg", "<svg")]
)
def test_show_prints_or_writes_a_picture(
    tmp_path: Path, form: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "picture"

    assert workflows(["dag", "show", SIMPLE, "--format", form]) == 0
    assert workflows(["dag", "show", SIMPLE, "--format", form, "--output", str(target)]) == 0

    assert capsys.readouterr().out == target.read_text()
    assert target.read_text().startswith(start)
    assert workflows(["dag", "show", SIMPLE, "--output", str(tmp_path / "no" / "folder")]) == 1


def test_schema_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert workflows(["dag", "schema"]) == 0

    assert capsys.readouterr().out == schema.dag_schema_text()


def test_help_imports_no_parser() -> None:
    """Asked of a process of its own, because this one has them already."""
    import subprocess
    import sys

    code = (
        "import sys; from workflows.cli.main import run_command_line as run\n"
        "run(['dag', 'validate', '--help']);"
        "print([m for m in ('yaml', 'ryaml', 'httpx', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
