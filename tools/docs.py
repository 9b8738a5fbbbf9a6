"""Keep the generated parts of the documents true: `docs.py` rewrites them, `--check` compares.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a function below.
Two files are generated as a whole: the JSON Schema of DAG files, and `trigger/catalog.json` with
the parameters of the flows, for the Cloud Functions, which have neither the flows nor pydantic.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.cli import catalog, commands, describe
from workflows.core import errors
from workflows.core.config import settings
from workflows.dag.file import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROOT = Path(__file__).resolve().parent.parent
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """Every environment variable, its default and meaning."""
    rows = [
        (f"`{name}`", f"`{default}`" if default else "", text)
        for name, default, text in settings.settings_table()
    ]
    return _table(("variable", "default", "meaning"), rows)


def error_tree() -> str:
    """The exception tree with its exit codes, as drawn in `core/errors.py`."""
    drawn = re.search(r"```text\n(.*?)```", inspect.getdoc(errors) or "", re.DOTALL)
    assert drawn is not None  # noqa: S101 - a test checks that it is drawn
    return f"```text\n{drawn.group(1)}```"


def parameters() -> str:
    """Each flow with the table of its parameters."""
    parts = []
    for name, summary in catalog.FLOWS.items():
        rows = [
            (f"`{flag}`", f"`{default}`", text)
            for flag, default, text in describe.parameter_rows(catalog.find(name))
        ]
        parts.append(f"**{name}**: {summary}\n\n" + _table(("flag", "default", "meaning"), rows))
    return "\n\n".join(parts)


def command_list() -> str:
    """Every command with its line of help."""
    rows = [("`workflows run FLOW …`", "run a flow")]
    rows += [
        (f"`workflows {name}`", command.summary) for name, command in commands.COMMANDS.items()
    ]
    return _table(("command", "what it does"), rows)


def make_targets() -> str:
    """The targets of the Makefile, as `make help` lists them."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z-]+):.*## (.*)$", text, re.MULTILINE)
    return _table(("target", "what it does"), [(f"`make {name}`", words) for name, words in found])


def folder_tree() -> str:
    """Every folder of the package with the first line of its docstring."""
    lines = []
    for folder in sorted((ROOT / "workflows").rglob("__init__.py")):
        inside = folder.parent.relative_to(ROOT / "workflows")
        depth = len(inside.parts)
        name = f"{'  ' * depth}{inside.name or 'workflows'}/"
        first = (ast.get_docstring(ast.parse(folder.read_text(encoding="utf-8"))) or "").split(
            "\n"
        )[0]
        lines.append(f"{name:<24} {first}")
    return "```text\n" + "\n".join(lines) + "\n```"


def trigger_catalog() -> str:
    """Of each flow, the kind of each parameter and whether it is required; a line a parameter."""
    lines = []
    for name in catalog.FLOWS:
        schema = catalog.find(name).parameters.model_json_schema()
        facts = [
            f"    {json.dumps(field)}: " + json.dumps(_facts(field, schema), sort_keys=True)
            for field in schema["properties"]
        ]
        lines.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(facts) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


_KINDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "switch",
    "array": "list",
    "object": "object",
}


def _facts(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    """`{"kind": …}` of a field, and `"required"` where it is."""
    found = schema["properties"][field]
    choices = [one for one in found.get("anyOf", [found]) if one.get("type") != "null"]
    kinds = {_kind(one, schema.get("$defs", {})) for one in choices}
    facts: dict[str, Any] = {"kind": kinds.pop() if len(kinds) == 1 else ""}
    return facts | ({"required": True} if field in schema.get("required", ()) else {})


def _kind(one: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in one:
        one = definitions[one["$ref"].rpartition("/")[2]]
    return _KINDS.get(one.get("type", ""), "")


WHOLE: dict[str, Callable[[], str]] = {
    "workflows/trigger/catalog.json": trigger_catalog,
    "docs/dag.schema.json": schema.dag_schema_text,
}
PARTS: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "errors": error_tree,
    "parameters": parameters,
    "commands": command_list,
    "make": make_targets,
    "folders": folder_tree,
}


def documents() -> dict[Path, str]:
    """Every document with generated parts, and the text that it is to have."""
    found = {ROOT / name: make() for name, make in WHOLE.items()}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text = path.read_text(encoding="utf-8")
        found[path] = _PART.sub(lambda m: f"{m[1]}{PARTS[m[2]]()}\n{m[3]}", text)
    return found


def main(words: Sequence[str]) -> int:
    """Rewrite every document, or with `--check` name those that are out of date (exit 1)."""
    stale = {
        path: text
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if "--check" not in words:
        for path, text in stale.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    if stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.stderr.write(f"out of date: {names}\n  fix: .venv/bin/python tools/docs.py\n")
        return 1
    return 0


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
