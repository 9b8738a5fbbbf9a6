"""From a file (a path or `gs://bucket/object`) to a `Dag`, or to everything that is wrong with it.

What is accepted: UTF-8, with or without a byte order mark, LF or CRLF; YAML 1.2's core schema
(`yes` and `no` are texts, `0o17` is octal, `017` is a text) or JSON; anchors and aliases within
limits. Refused: keys that are there twice, tags, merge keys, several documents.

`parse` reads the values fast, without their lines, and `checks` judges them. Only if something is
wrong does `scan` read the text again to find the lines. Whether a text is YAML is decided by the
fast parser; see docs/decisions/0008-dag-files.md.
"""

from __future__ import annotations

import gc
import itertools
import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from workflows.core.errors import RequestRefused, ResourceNotFound, UrlRefused
from workflows.dag.file import limits, parse
from workflows.dag.file.checks.context import CheckContext
from workflows.dag.file.checks.dependencies import check_dependencies
from workflows.dag.file.checks.steps import check_head, check_step
from workflows.dag.file.findings import Finding, Problem, dag_invalid, dag_unreadable
from workflows.dag.file.model import Dag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from workflows.dag.file import findings
    from workflows.dag.file.scan import ScanResult

# Spellings of a whole number or boolean that its value does not show. Each pattern begins with its
# literal, which `re` finds ten times as fast as the beginning of a word.
_OTHER_SPELLINGS = [
    (start[0], re.compile(rf"{re.escape(start)}(?<![\w.]{re.escape(start)})"))
    for start in ("0x", "0o", "0b", "+", "-0", "True", "TRUE", "False", "FALSE")
]
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def load_dag(
    path: str, params: Mapping[str, str] | None = None, *, flows: Collection[str] | None = None
) -> Dag:
    """Read and check the file; `params` fill in `{{ params.x }}`.

    Flow steps must name one of `flows`, or, where that is not given, one of this program's own,
    and give it parameters that it takes.

    Raises:
        DagInvalid: with all findings; without one if the file cannot be read at all.
        AuthenticationFailed, AccessDenied, NetworkError, …: as `core.google.storage` says, for `gs://`.
    """
    data = _bytes(path)
    return parse_dag(path, data, params, flows=flows)


def parse_dag(
    file: str,
    data: bytes,
    params: Mapping[str, str] | None = None,
    *,
    flows: Collection[str] | None = None,
) -> Dag:
    """The same for bytes that are here already; `file` is their name in messages.

    Raises:
        DagInvalid: with all findings.
    """
    with _collector_off():
        return _Loading(file, _decoded(file, data), dict(params or {}), flows).dag()


def _bytes(path: str) -> bytes:
    if path.startswith("gs://"):
        from workflows.core.google import storage

        try:
            return storage.read_object(path, limit_bytes=limits.MAX_BYTES + 1)
        except (ResourceNotFound, UrlRefused) as error:
            raise dag_unreadable(path, error.what, error.fix) from error
        except RequestRefused as error:
            raise dag_unreadable(path, f"{error.what}\n{error.why}".strip(), error.fix) from error
    try:
        with Path(path).open("rb") as file:
            return file.read(limits.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise dag_unreadable(path, str(error), "check the path") from error


def _decoded(file: str, data: bytes) -> str:
    problem = limits.too_many_bytes(len(data))
    if problem is not None:
        raise dag_invalid(file, [Finding(1, 1, None, problem.message, problem.suggestion)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        says = f"not UTF-8: byte 0x{data[error.start]:02x}"
        fix = "save the file as UTF-8"
        raise dag_invalid(file, [Finding(line, column, None, says, fix)]) from None


@contextmanager
def _collector_off() -> Iterator[None]:
    """Without Python's cyclic garbage collector, which would scan all new objects many times.

    Afterwards it ignores the objects made here (`gc.freeze`): steps hold no reference cycles.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


class _RawDag(NamedTuple):
    """What the fast parser made: the keys around the steps, and the steps piece by piece."""

    head: Any
    steps: Iterable[Any]


class _Loading:
    """One load of one text, with what is needed to say where a mistake is."""

    def __init__(
        self, file: str, text: str, params: Mapping[str, str], flows: Collection[str] | None
    ) -> None:
        self._file = file
        self._text = text
        self._params = params
        self._flows = flows
        self._is_json = file.endswith(".json") or text.lstrip()[:1] == "{"
        self._named_json = file.endswith(".json")

    def dag(self) -> Dag:
        """The DAG.

        Raises:
            DagInvalid: with all findings.
        """
        if not self._text.strip():
            self._refuse([Problem((), "the file is empty", "write `name:` and `steps:`")])
        context, dag = self._checked(texts=None)
        if context.unsure:
            context, dag = self._checked(texts=self._scanned(context.unsure).texts)
        if context.problems:
            self._refuse(context.problems)
        return dag

    def _checked(self, texts: Mapping[findings.ValuePath, str] | None) -> tuple[CheckContext, Dag]:
        """The DAG as far as it is right, and the mistakes; read in pieces, or else whole."""
        context = self._context(texts)
        try:
            return context, self._built(context, self._read(piecewise=True))
        except parse.Unparsable:  # only a piece is; the whole text may be sound
            context = self._context(texts)
        try:
            return context, self._built(context, self._read(piecewise=False))
        except parse.Unparsable as error:
            self._refuse([], words=str(error))

    def _context(self, texts: Mapping[findings.ValuePath, str] | None) -> CheckContext:
        return CheckContext(self._params, self._flows, self._is_exact, texts)

    def _is_exact(self) -> bool:
        """Whether all whole numbers and booleans are written as Python writes them."""
        return self._is_json or not self._has_other_spelling

    @cached_property
    def _has_other_spelling(self) -> bool:
        """Whether a number or boolean may be written in a way that its value does not show."""
        text = self._text
        return any(first in text and pattern.search(text) for first, pattern in _OTHER_SPELLINGS)

    def _built(self, context: CheckContext, raw: _RawDag) -> Dag:
        """The DAG of plain values; what is wrong is in the context."""
        if not isinstance(raw.head, dict):
            says = "the file must be a mapping with `name` and `steps`"
            self._refuse([Problem((), says, "see `workflows dag schema`")])
        head = check_head(context, raw.head)
        steps = tuple([check_step(context, index, one) for index, one in enumerate(raw.steps)])
        if not steps and not context.problems:
            context.complain(("steps",), "there are no steps", "write at least one")
        edges, wrong = check_dependencies(steps)
        context.problems += wrong
        if self._flows is None and any(step.flow is not None for step in steps):
            from workflows.dag.file import flow_parameters

            context.problems += flow_parameters.problems(steps, context.problems)
        name = PurePosixPath(self._file).stem if head.name is None else head.name
        return Dag(name, steps, head.max_parallel, head.on_failure, edges)

    @cached_property
    def _too_many(self) -> bool:
        return limits.more_nodes_than(limits.MAX_NODES, self._text)

    @cached_property
    def _unusual(self) -> bool:
        """Whether this YAML has to be scanned before it is parsed."""
        return parse.unusual(self._text) or limits.may_be_deep(self._text)

    def _read(self, *, piecewise: bool) -> _RawDag:
        """The plain values, after the checks that keep their number and depth bounded."""
        if self._too_many:
            self._refuse([limits.too_many_nodes(limits.MAX_NODES)])
        if self._is_json and (raw := self._read_json()) is not None:
            return raw
        if piecewise and not self._unusual and (cut := parse.outline(self._text)) is not None:
            if cut.steps > limits.MAX_STEPS:
                self._refuse([limits.too_many_steps(cut.steps)])
            pieces = parse.pieces(self._text, cut.cuts)
            return _RawDag(cut.head, itertools.chain.from_iterable(pieces))
        if limits.more_nodes_than(limits.MAX_NODES_AT_ONCE, self._text):
            self._refuse([limits.too_many_nodes(limits.MAX_NODES_AT_ONCE)])
        if self._unusual:
            self._refuse_bad_notation()
        return self._head_and_steps(parse.whole_yaml(self._text))

    def _read_json(self) -> _RawDag | None:
        """The plain values; None if the text is no JSON, and its name does not say that it is."""
        if _SURROGATE.search(self._text) or limits.may_be_deep(self._text):
            self._refuse_bad_notation()
        try:
            return self._head_and_steps(parse.whole_json(self._text))
        except parse.Unparsable:
            if self._named_json:
                raise
            self._is_json = False  # YAML's flow style begins with `{` too
            return None

    def _head_and_steps(self, raw: Any) -> _RawDag:
        if not isinstance(raw, dict):
            return _RawDag(raw, ())
        if "steps" not in raw:
            self._refuse([Problem((), "there are no `steps`", "write at least one")])
        steps = raw["steps"]
        if not isinstance(steps, list):
            self._refuse([Problem(("steps",), "`steps` must be a list", "write `- id: …` a step")])
        if len(steps) > limits.MAX_STEPS:
            self._refuse([limits.too_many_steps(len(steps))])
        return _RawDag(raw, steps)

    def _refuse_bad_notation(self) -> None:
        """Refuse a text that must not be parsed at all, such as one with too many aliases."""
        seen = self._scanned(())
        if seen.problems:
            self._raise_findings(seen, ())

    def _scanned(self, wanted: Iterable[findings.ValuePath]) -> ScanResult:
        from workflows.dag.file import nodes, scan

        read_nodes = nodes.json_nodes if self._is_json else nodes.yaml_nodes
        return scan.Scan(wanted).run(read_nodes(self._text))

    def _refuse(self, problems: list[Problem], *, words: str = "") -> NoReturn:
        """Raise what is wrong, each with its line; `words` are the fast parser's."""
        seen = self._scanned(problem.path for problem in problems)
        if words and not seen.problems:
            place = re.search(r"at line (\d+) column (\d+)", words)
            at = (int(place[1]), int(place[2])) if place else (1, 1)
            kind = "JSON" if self._is_json else "YAML"
            says = words if "not readable" in words else f"not readable as {kind}: {words}"
            seen.problems.append((at, Problem((), says)))
        self._raise_findings(seen, problems)

    def _raise_findings(self, seen: ScanResult, problems: Iterable[Problem]) -> NoReturn:
        found = [
            Finding(*seen.place(path, at_key=at_key), step, message, fix)
            for path, message, fix, at_key, step in problems
        ]
        if not found:
            found = [
                Finding(*place, seen.step_of(problem.path), problem.message, problem.suggestion)
                for place, problem in seen.problems
            ]
        raise dag_invalid(self._file, found)
