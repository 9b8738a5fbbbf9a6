"""`make mutation`: break the code on purpose, one place at a time, and see whether a test fails.

Of each part named in `PARTS` a sample of mutants is tried, the same ones each time as long as the
code is the same: N=40 of each, `ARGS=change/policy` for some parts only. A mutant is killed when
its part's tests fail or hang. The score of each part is printed, the survivors are written to
`build/mutation/survivors.txt` to be read one by one. Mutants are made by cosmic-ray.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cosmic_ray import plugins
from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code

from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "mutation"
WORKERS = 2
PARTS = {
    "dag/engine": (  # the slow ones last: most mutants are killed before
        "tests/dag/engine/test_scheduler.py",
        "tests/dag/engine/test_duration_estimate.py",
        "tests/dag/engine/test_run.py",
        "tests/dag/engine/test_plain_runner.py",
        "tests/dag/engine/test_poll_schedule.py",
        "tests/dag/engine/test_run_crashes.py",
    ),
    "dag/journal": ("tests/dag/journal", "tests/dag/engine/test_plain_runner.py"),
    "change/policy": ("tests/change/policy",),
    "change/claim": ("tests/change/claim",),
    "core/git": ("tests/core/git", "tests/tasks/git"),
    "trigger": ("tests/trigger",),
}


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the `occurrence`-th place at which the operator fits."""

    file: str
    operator: str
    occurrence: int

    @property
    def place(self) -> str:
        """Its place in an order that looks random and is the same each time."""
        return hashlib.sha256(f"{self.file} {self.operator} {self.occurrence}".encode()).hexdigest()

    def code(self) -> str | None:
        """The broken file; None where nothing would change that can show in what it does."""
        original = (ROOT / self.file).read_text(encoding="utf-8")
        broken = mutate_code(original, plugins.get_operator(self.operator)(), self.occurrence)
        equality = _FROM_EQUALITY.search(self.operator) is not None
        if broken is None:
            return None
        meant, means = meaning(original, equality=equality), meaning(broken, equality=equality)
        return None if means in {None, meant} else str(broken)


class _Meaning(ast.NodeTransformer):
    """What of a program can show in what it does; mutants that change nothing of it are left out.

    Left out are annotations, which are never evaluated, and what is imported for them, `slots` and
    `frozen` of dataclasses, and whether an argument may be given by its position. With `equality`
    so is the difference between `==` and `<=`, `>=` or `is`, and between their opposites, for
    texts and members of enums: where the code asks whether two of them are equal, their order
    means nothing.
    """

    def __init__(self, *, equality: bool) -> None:
        self._equality = equality

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults = [*node.defaults, *(one for one in node.kw_defaults if one is not None)]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        names = [one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)]
        return ast.Pass() if names == ["TYPE_CHECKING"] else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "dataclass":
            node.keywords = [one for one in node.keywords if one.arg not in {"slots", "frozen"}]
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if self._equality and any(_has_no_order(one) for one in (node.left, *node.comparators)):
            node.ops = [_EQUALITY.get(type(one), type(one))() for one in node.ops]
        return self.generic_visit(node)


_FROM_EQUALITY = re.compile("_(Eq|NotEq|Is|IsNot)_")
_EQUALITY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.LtE: ast.Eq,
    ast.GtE: ast.Eq,
    ast.Is: ast.Eq,
    ast.Lt: ast.NotEq,
    ast.Gt: ast.NotEq,
    ast.IsNot: ast.NotEq,
}


def _has_no_order(node: ast.expr) -> bool:
    """Whether it is a text, or by its name a member of an enum."""
    if isinstance(node, ast.Attribute):
        return node.attr.isupper()
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def meaning(code: str, *, equality: bool) -> str | None:
    """What counts of a program's text, see `_Meaning`; None if it is no Python."""
    try:
        return ast.dump(_Meaning(equality=equality).visit(ast.parse(code)))
    except SyntaxError:
        return None


class _Counter(Visitor):  # type: ignore[misc]  # cosmic-ray has no types
    """Counts the places at which an operator fits."""

    def __init__(self, operator: object) -> None:
        self.operator = operator
        self.count = 0

    def visit(self, node: object) -> object:
        self.count += len(list(self.operator.mutation_positions(node)))  # type: ignore[attr-defined]
        return node


def mutants(part: str) -> list[Mutant]:
    """Every mutant of a part, in a fixed order that looks random."""
    found = []
    operators = [name for name in plugins.operator_names() if "Variable" not in name]
    for path in sorted((ROOT / "workflows" / part).rglob("*.py")):
        tree = get_ast(path.read_text(encoding="utf-8"))
        for name in operators:
            counter = _Counter(plugins.get_operator(name)())
            counter.walk(tree)
            file = path.relative_to(ROOT).as_posix()
            found += [Mutant(file, name, number) for number in range(counter.count)]
    return sorted(found, key=lambda mutant: mutant.place)


class Copy:
    """A copy of the repository with an interpreter that sees it and nothing of the original."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.python = folder / "env" / "bin" / "python"
        shutil.rmtree(folder, ignore_errors=True)
        listed = _run(["git", "ls-files", "-co", "--exclude-standard"], ROOT, 60).stdout
        for name in listed.splitlines():
            if (ROOT / name).is_file():
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        args = [sys.executable, "-m", "venv", "--without-pip", str(folder / "env")]
        _run(args, ROOT, 120)
        ask = ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = _run([sys.executable, *ask], ROOT, 60).stdout
        own = Path(_run([str(self.python), *ask], ROOT, 60).stdout.strip())
        (own / "locked.pth").write_text(f"{self.folder}\n{packages}", encoding="utf-8")

    def tests_fail(self, tests: tuple[str, ...], limit_s: float) -> bool:
        """Whether a test fails or does not end in time."""
        args = [str(self.python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = _run(args, self.folder, limit_s, check=False)
        except Exception:  # noqa: BLE001 - a mutant may break anything, the run's end included
            return True
        return done.exit_code != 0

    def try_mutant(self, mutant: Mutant, code: str, tests: tuple[str, ...], limit_s: float) -> bool:
        """Whether the mutant is killed; the file is as before afterwards."""
        target = self.folder / mutant.file
        before = target.read_text(encoding="utf-8")
        target.write_text(code, encoding="utf-8")
        try:
            return self.tests_fail(tests, limit_s)
        finally:
            target.write_text(before, encoding="utf-8")


def _run(args: list[str], cwd: Path, timeout_s: float, *, check: bool = True) -> process.Completed:
    env = environment.whole() | {"PYTHONDONTWRITEBYTECODE": "1"}
    return process.run(args, env=env, cwd=cwd, timeout_s=timeout_s, check=check)


def _chosen(part: str, count: int) -> Iterator[tuple[Mutant, str]]:
    for mutant in mutants(part):
        if count <= 0:
            return
        code = mutant.code()
        if code is not None:
            count -= 1
            yield mutant, code


def score(part: str, count: int, copies: list[Copy]) -> tuple[int, int, list[str]]:
    """Killed and tried mutants of a part, and the survivors as diffs."""
    tests = PARTS[part]
    began = time.monotonic()
    if copies[0].tests_fail(tests, 1800):
        raise SystemExit(f"mutation: the tests of {part} fail without a mutant")
    limit_s = 3 * (time.monotonic() - began) + 20
    todo = list(_chosen(part, count))

    def work(number: int) -> list[str]:
        survivors = []
        for mutant, code in todo[number :: len(copies)]:
            if not copies[number].try_mutant(mutant, code, tests, limit_s):
                original = (ROOT / mutant.file).read_text(encoding="utf-8")
                lines = difflib.unified_diff(
                    original.splitlines(), code.splitlines(), mutant.file, mutant.operator, n=1
                )
                survivors.append("\n".join(lines))
        return survivors

    with ThreadPoolExecutor(len(copies)) as pool:
        survived = [one for found in pool.map(work, range(len(copies))) for one in found]
    return len(todo) - len(survived), len(todo), survived


def main(words: list[str]) -> int:
    """`mutation.py COUNT [PART…]`; exit code 0, whatever the score."""
    count, parts = int(words[0]), words[1:] or list(PARTS)
    copies = [Copy(WORK / str(number)) for number in range(WORKERS)]
    report = WORK / "survivors.txt"
    report.write_text("", encoding="utf-8")
    for part in parts:
        killed, tried, survived = score(part, count, copies)
        print(f"{part:<16} {killed}/{tried} killed, {100 * killed // max(tried, 1)} %", flush=True)
        with report.open("a", encoding="utf-8") as file:
            file.write("".join(f"{one}\n\n" for one in survived))
    print(f"survivors: {report.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
