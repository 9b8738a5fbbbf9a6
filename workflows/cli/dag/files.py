"""`workflows dag validate|show|schema`: commands that read a DAG file and do not run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli import output
from workflows.core.errors import CommandLineInvalid, DagInvalid, WorkflowsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.dag.file.model import Dag

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def dag_parameters(words: Sequence[str]) -> dict[str, str]:
    """The values of `--param NAME=VALUE`.

    Raises:
        CommandLineInvalid: without `=`, no name, or a name given twice; all of them named.
    """
    found: dict[str, str] = {}
    wrong = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or _NAME.fullmatch(name) is None:
            wrong.append(f"--param {word!r} is not NAME=VALUE")
        elif name in found:
            wrong.append(f"--param {name} is given twice")
        found[name] = value
    if wrong:
        raise CommandLineInvalid("; ".join(wrong), fix="write --param NAME=VALUE, once each")
    return found


def load_with_parameters(file: str, words: Sequence[str]) -> Dag:
    """The DAG of a file, with the parameters of the command line.

    Raises:
        DagInvalid, CommandLineInvalid: as `loader.load_dag` and `dag_parameters` say.
    """
    given = dag_parameters(words)
    from workflows.dag.file import loader

    return loader.load_dag(file, given)


def validate_dag(file: str, words: Sequence[str], *, as_json: bool) -> int:
    """Print whether the file is valid (exit code 0), or all its mistakes (2)."""
    try:
        dag = load_with_parameters(file, words)
    except DagInvalid as error:
        if as_json:
            found = [finding.as_dict() for finding in error.findings]
            output.say_json({"file": file, "valid": False, "error": error.what, "findings": found})
        else:
            lines = [finding.text(file) for finding in error.findings]
            output.say_error("\n".join(lines or [f"error: {error}"]))
        return error.exit_code
    from workflows.dag.file.model import fingerprint

    if as_json:
        facts = {"file": file, "valid": True, "name": dag.name, "steps": len(dag.steps)}
        output.say_json({**facts, "fingerprint": fingerprint(dag), "findings": []})
    else:
        count = len(dag.steps)
        output.say(f"{file}: {dag.name}, {count:,} step{'' if count == 1 else 's'}, no mistakes")
    return 0


def show_dag(file: str, words: Sequence[str], *, form: str, target: str | None) -> int:
    """Print the picture of the DAG, or write it to the file `target`."""
    dag = load_with_parameters(file, words)
    from workflows.dag.show import render

    text = render.FORMATS[form](dag)
    if target is None:
        output.say(text)
        return 0
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkflowsError(
            f"cannot write {target}", why=str(error), fix="choose another --output"
        ) from error
    return 0


def print_dag_schema() -> int:
    """Print the JSON Schema of DAG files."""
    from workflows.dag.file import schema

    output.say(schema.dag_schema_text())
    return 0
