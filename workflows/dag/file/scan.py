"""The slow reading of a DAG file: line and column of each value, and mistakes of notation.

It streams over the nodes of the text and builds no values, so aliases cannot fill the memory. It
is run only if something is wrong, or before a text is parsed that may expand to too much.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from workflows.dag.file import fields
from workflows.dag.file.findings import Problem, ValuePath
from workflows.dag.file.limits import MAX_ALIASED, MAX_DEPTH, MAX_NODES, too_many_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IN_STEP = 3  # ("steps", 4, "id")
Place = tuple[int, int]
"""Line and column, from 1."""


class Node(NamedTuple):
    """A token of either notation: `scalar`, `map`, `list`, `alias`, `end` or `document`."""

    kind: str
    place: Place
    text: str = ""
    anchor: str | None = None
    tag: str | None = None


class NotationError(Exception):
    """The text cannot be read any further; it is caught here and becomes a finding."""

    def __init__(self, place: Place, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.suggestion = suggestion


@dataclass(slots=True)
class ScanResult:
    """What a scan found."""

    places: dict[tuple[ValuePath, bool], Place] = field(default_factory=dict)
    """Place of each wanted path: of its value, and (True) of its key."""
    texts: dict[ValuePath, str] = field(default_factory=dict)
    """The scalars at wanted paths, as they are written."""
    problems: list[tuple[Place, Problem]] = field(default_factory=list)
    """What is wrong with the notation."""
    ids: dict[int, str] = field(default_factory=dict)
    """The id of each step, as far as one was found."""

    def step_of(self, path: ValuePath) -> str | None:
        """The id of the step that the path leads into."""
        index = path[1] if len(path) > 1 else None
        return self.ids.get(index) if isinstance(index, int) else None

    def place(self, path: ValuePath, *, at_key: bool = False) -> Place:
        """Line and column of the path, or else of the nearest value that contains it."""
        if at_key and (path, True) in self.places:
            return self.places[path, True]
        for length in range(len(path), -1, -1):
            if (path[:length], False) in self.places:
                return self.places[path[:length], False]
        return (1, 1)


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is open; `path` is None where nothing below is wanted."""

    is_map: bool
    path: ValuePath | None
    anchor: str | None
    started: int
    count: int = 0
    key: str | None = None
    keys: set[str] = field(default_factory=set)


class Scan:
    """One pass over the nodes of a text; `wanted` are the paths whose places are needed.

    It ends when all of them are found. Without any it goes to the end, to check the notation.
    """

    def __init__(self, wanted: Iterable[ValuePath]) -> None:
        self.seen = ScanResult()
        self._missing = set(wanted)
        self._until_found = bool(self._missing)
        self._wanted = {path[:length] for path in self._missing for length in range(len(path) + 1)}
        self._nodes = 0
        self._aliased = 0
        self._documents = 0
        self._frames: list[_Frame] = []
        self._anchors: dict[str, int | None] = {}
        """Nodes each anchor stands for; None while it is still open."""

    def run(self, nodes: Iterator[Node]) -> ScanResult:
        """Read to the end, or to the first mistake after which nothing can be read."""
        try:
            for node in nodes:
                self._take(node)
                if self._until_found and not self._missing:
                    break
        except NotationError as error:
            problem = Problem((), error.message, error.suggestion)
            self.seen.problems.append((error.place, problem))
        return self.seen

    def _take(self, node: Node) -> None:
        if node.kind == "document":
            self._documents += 1
            if self._documents > 1:
                raise NotationError(node.place, "a second document (`---`)", "write one DAG a file")
            return
        if node.kind == "end":
            done = self._frames.pop()
            if done.anchor is not None:
                self._anchors[done.anchor] = self._size() - done.started
            return
        self._count(node)
        if node.tag is not None:
            self._complain(node, f"the tag {node.tag} is not supported", "leave the tag out")
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.is_map and frame.key is None:
            self._key(frame, node)
        else:
            self._value(frame, node)

    def _count(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            _, message, suggestion, *_ = too_many_nodes(MAX_NODES)
            raise NotationError(node.place, message, suggestion)
        if node.kind == "alias":
            self._expand(node)
        elif node.kind == "scalar" and node.anchor is not None:
            self._anchors[node.anchor] = 1
        if self._aliased > MAX_ALIASED:
            raise NotationError(
                node.place,
                f"aliases add more than {MAX_ALIASED:,} values",
                "write fewer aliases of smaller values",
            )

    def _expand(self, node: Node) -> None:
        if node.text not in self._anchors:
            self._complain(node, f"there is no anchor &{node.text} above this", "")
            return
        size = self._anchors[node.text]
        if size is None:
            raise NotationError(node.place, f"&{node.text} contains itself", "write it without *")
        self._aliased += size

    def _size(self) -> int:
        return self._nodes + self._aliased

    def _key(self, frame: _Frame, node: Node) -> None:
        if node.kind != "scalar":
            self._complain(node, "a key must be a text", "put the key in quotes")
        text = node.text if node.kind in {"scalar", "alias"} else ""
        if node.kind == "scalar" and text in frame.keys:
            self._complain(node, f"the key {_short(text)} is there twice", "keep one of them")
        frame.keys.add(text)
        frame.count += 1
        if frame.path is not None:
            text = fields.documented(frame.path, text)
            path = (*frame.path, text)
            if path in self._wanted:
                self.seen.places.setdefault((path, True), node.place)
        if node.kind in {"map", "list"}:
            self._open(node, None)
        frame.key = text

    def _value(self, frame: _Frame | None, node: Node) -> None:
        path: ValuePath | None = ()
        if frame is not None:
            step = frame.key if frame.is_map else frame.count
            path = None if frame.path is None or step is None else (*frame.path, step)
            frame.key = None
            if not frame.is_map:
                frame.count += 1
        if path is not None:
            path = self._note(path, node)
        if node.kind in {"map", "list"}:
            self._open(node, path)

    def _note(self, path: ValuePath, node: Node) -> ValuePath | None:
        """Record place and text of a wanted path; None if nothing below it is wanted."""
        wanted = path in self._wanted
        if wanted:
            self.seen.places.setdefault((path, False), node.place)
            self._missing.discard(path)
            if node.kind == "scalar":
                self.seen.texts[path] = node.text
        if node.kind == "scalar" and len(path) == _IN_STEP and path[::2] == ("steps", "id"):
            self.seen.ids[int(path[1])] = node.text
        in_steps = len(path) < _IN_STEP + 1 and path[:1] in {(), ("steps",)}
        return path if wanted or in_steps else None

    def _open(self, node: Node, path: ValuePath | None) -> None:
        if len(self._frames) >= MAX_DEPTH:
            raise nested_too_deep(node.place)
        if node.anchor is not None:
            self._anchors[node.anchor] = None
        self._frames.append(_Frame(node.kind == "map", path, node.anchor, self._size()))

    def _complain(self, node: Node, message: str, suggestion: str) -> None:
        paths = (frame.path for frame in reversed(self._frames) if frame.path is not None)
        problem = Problem(next(paths, ()), message, suggestion)
        if len(self.seen.problems) < 1000:  # noqa: PLR2004 - more than are ever shown
            self.seen.problems.append((node.place, problem))


def nested_too_deep(place: tuple[int, int]) -> NotationError:
    """The error at the line and column where a text is nested deeper than is allowed."""
    return NotationError(place, f"nested more than {MAX_DEPTH} levels deep", "write it flatter")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}…")  # noqa: PLR2004
