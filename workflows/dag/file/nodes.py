"""YAML and JSON texts as streams of nodes with line and column, for `scan`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from workflows.dag.file.scan import Node, NotationError, nested_too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\],:"]+|\n|"')


def yaml_nodes(text: str) -> Iterator[Node]:
    """The nodes of a YAML text, by libyaml.

    Raises:
        NotationError: where libyaml cannot read on.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            if (node := _node(event)) is not None:
                yield node
    except yaml.MarkedYAMLError as error:
        raise _unreadable_yaml(error) from None
    except yaml.reader.ReaderError as error:
        offset = error.position if isinstance(error.position, int) else 0
        line = text.count("\n", 0, offset) + 1
        place = (line, offset - (text.rfind("\n", 0, offset) + 1) + 1)
        raise NotationError(place, "a control character, which YAML does not allow") from None


def _unreadable_yaml(error: yaml.MarkedYAMLError) -> NotationError:
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if "nesting depth" in str(error.problem):  # libyaml has a bound of its own, above ours
        return nested_too_deep(place)
    words = ", ".join(part for part in (error.problem, error.context) if part)
    return NotationError(place, f"not readable as YAML: {words}", _hint(error.problem))


def _node(event: object) -> Node | None:
    import yaml

    if isinstance(event, yaml.ScalarEvent):
        return Node("scalar", _place(event), event.value, event.anchor, event.tag)
    if isinstance(event, yaml.CollectionStartEvent):
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        return Node(kind, _place(event), "", event.anchor, event.tag)
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", _place(event), event.anchor or "")
    if isinstance(event, yaml.CollectionEndEvent):
        return Node("end", (0, 0))
    if isinstance(event, yaml.DocumentStartEvent):
        return Node("document", _place(event))
    return None


def _place(event: object) -> tuple[int, int]:
    mark = event.start_mark  # type: ignore[attr-defined]
    return (mark.line + 1, mark.column + 1)


def _hint(problem: str | None) -> str:
    if problem and "cannot start any token" in problem:
        return "indent with spaces, and put texts that begin with @, ` or % in quotes"
    if problem and "mapping values are not allowed" in problem:
        return "put a text that contains `: ` in quotes, or look at the indentation"
    return ""


def json_nodes(text: str) -> Iterator[Node]:
    """The nodes of a JSON text. Lenient: whether it is JSON is decided by the `json` module.

    Raises:
        NotationError: a bracket that closes nothing.
    """
    line, start, depth = 1, 0, 0
    for found in _TOKEN.finditer(text):
        piece = found[0]
        place = (line, found.start() - start + 1)
        if piece == "\n":
            line, start = line + 1, found.end()
        elif piece in "{[":
            depth += 1
            yield Node("map" if piece == "{" else "list", place)
        elif piece in "}]":
            depth -= 1
            if depth < 0:
                raise NotationError(place, "a bracket closes what was not opened")
            yield Node("end", place)
        else:
            yield Node("scalar", place, _unquoted(piece, place))


def _unquoted(piece: str, place: tuple[int, int]) -> str:
    """What a JSON string stands for; any other piece as it is.

    Raises:
        NotationError: the string is not well-formed, or holds half a surrogate pair.
    """
    if not piece.startswith('"'):
        return piece
    try:
        text = str(json.loads(piece))
        text.encode()
    except UnicodeEncodeError:
        raise NotationError(place, "half a surrogate pair, which is no text") from None
    except ValueError:
        raise NotationError(place, "not a well-formed string") from None
    return text
