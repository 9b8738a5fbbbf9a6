"""The shape of the package: small files and folders, and one name for one thing."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

import workflows

PACKAGE = Path(workflows.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
IN_EVERY_FLOW = {"Parameters", "Result", "body"}
BOTH_SIDES_OF_GITLABS_API = {"Issue", "MergeRequest", "Note", "Project", "User"}
SCRIPTS = {"main"}


def test_a_folder_has_at_most_fifteen_files() -> None:
    sizes = Counter(path.parent for path in MODULES if path.name != "__init__.py")

    assert {str(folder): size for folder, size in sizes.items() if size > 15} == {}


def test_a_file_has_at_most_400_lines_and_a_function_60() -> None:
    long = {str(path): n for path in MODULES if (n := len(path.read_text().splitlines())) > 400}
    functions = {
        f"{path}:{node.name}": length
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 60
    }

    assert long == {}
    assert functions == {}


def test_a_public_name_stands_for_one_thing() -> None:
    """But what every flow has, and what GitLab's API calls the same on both of its sides."""
    found = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name].append(str(path.relative_to(PACKAGE)))

    allowed = IN_EVERY_FLOW | BOTH_SIDES_OF_GITLABS_API | SCRIPTS
    doubles = {
        name: places
        for name, places in found.items()
        if len(places) > 1 and not name.startswith("_") and name not in allowed
    }
    assert doubles == {}
