"""Which files a GitLab pipeline is made of: the local includes of `.gitlab-ci.yml`. Pure.

Reads the forms of https://docs.gitlab.com/ci/yaml/#include and of `trigger:include`. The YAML is
read as a stream of events and never as objects, so that unknown tags such as `!reference` do not
matter and a few lines of aliases cannot fill the memory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Node: TypeAlias = "str | list[Node] | dict[str, Node] | None"

_MOST_FILES = 150  # GitLab's own limit for one pipeline
_MOST_BYTES = 1_000_000
_DEEPEST = 100
_MOST_NODES = 10_000
_VARIABLE = re.compile(r"\$\{\w+\}|\$\w+")
_WILD = re.compile(r"[*?]")
# libyaml where it is compiled in: ten times as fast
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def included_ci_files(
    read: Callable[[str], str | None], root: str = ".gitlab-ci.yml"
) -> frozenset[str]:
    """`root` and every local file that it includes, files included by those as well.

    `read` gives a file's text by its path, None if there is none. Paths have no leading slash.
    Wildcards stay as they are, and a variable becomes one: match with `paths.matches_glob`. The
    files that such a pattern matches are not read. What cannot be parsed ends its file.
    """
    found: set[str] = set()
    waiting = [root.lstrip("/")]
    while waiting and len(found) < _MOST_FILES:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text = None if _WILD.search(path) else read(path)
        if text is not None:
            waiting += sorted(_includes(text[:_MOST_BYTES]))
    return frozenset(found)


def _includes(text: str) -> set[str]:
    found: set[str] = set()
    for document in _documents(text):
        if isinstance(document, dict):
            found.update(_local(document.get("include")))
            for job in document.values():
                trigger = job.get("trigger") if isinstance(job, dict) else None
                if isinstance(trigger, dict):
                    found.update(_local(trigger.get("include")))
    return found


def _local(include: Node) -> Iterator[str]:
    """The local paths in the value of `include`: a path, a mapping, or a list of these."""
    waiting = [include]
    for _ in range(_MOST_NODES):  # lists of aliases of lists may have no end
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node[:_MOST_NODES]
        elif isinstance(node, dict):
            local = node.get("local")
            waiting += local if isinstance(local, list) else [local]
        elif node and "://" not in node:
            yield _VARIABLE.sub("**", node).lstrip("/")


def _documents(text: str) -> Iterator[Node]:
    """Each document of a YAML text; the last one only as far as it can be read."""
    reading = _Reading()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if not reading.take(event):
                break
    except (yaml.YAMLError, ValueError):  # ValueError: a character out of Unicode's range
        pass
    yield from reading.documents


class _Reading:
    """Builds lists and mappings from events, without recursion; aliases share what they name."""

    def __init__(self) -> None:
        self.documents: list[Node] = []
        self._open: list[list[Node] | dict[str, Node]] = []
        self._keys: list[str | None] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: yaml.Event) -> bool:
        """Take in one event; False: too deep to go on."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}
        elif isinstance(event, yaml.ScalarEvent):
            self._add(event.anchor, event.value)
        elif isinstance(event, yaml.AliasEvent):
            self._add(None, self._anchors.get(cast("str", event.anchor)))
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            inner: list[Node] | dict[str, Node]
            inner = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self._add(event.anchor, inner)
            self._open.append(inner)
            self._keys.append(None)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._open.pop()
            self._keys.pop()
        return len(self._open) <= _DEEPEST

    def _add(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.documents.append(node)
            return
        outer = self._open[-1]
        if isinstance(outer, list):
            outer.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node if isinstance(node, str) else ""
        else:
            outer[self._keys[-1]] = node
            self._keys[-1] = None
