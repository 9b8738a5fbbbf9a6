"""How large a DAG file may be, and the size checks that need no parser."""

from __future__ import annotations

from workflows.dag.file.findings import Problem

MAX_BYTES = 20 * 1024 * 1024
MAX_STEPS = 100_000
MAX_DEPTH = 64
"""Levels of nesting; a DAG needs seven, a flow's parameters perhaps a few more."""
MAX_NODES = 5_000_000
"""Texts, numbers, lists and mappings of a file, as `node_bound` counts them."""
MAX_NODES_AT_ONCE = 2_000_000
"""The same for YAML that can only be read whole (flow style, anchors): it takes more memory."""
MAX_ALIASED = 100_000
"""Nodes that aliases add when each is replaced by what it stands for."""

_DELIMITERS = b",\n[{:"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def too_many_bytes(size_bytes: int) -> Problem | None:
    """A problem if the file is larger than `MAX_BYTES`."""
    if size_bytes <= MAX_BYTES:
        return None
    return Problem(
        (),
        f"the file has {size_bytes:,} bytes, the limit is {MAX_BYTES:,}",
        "split the workflow, or let fewer steps do more",
    )


def too_many_steps(count: int) -> Problem:
    """What is wrong with a file of more than `MAX_STEPS` steps."""
    return Problem(
        ("steps",),
        f"{count:,} steps, the limit is {MAX_STEPS:,}",
        "split the workflow, or let fewer steps do more",
    )


def too_many_nodes(limit: int) -> Problem:
    """What is wrong with a file of more values than memory should hold."""
    return Problem(
        (),
        f"the file may hold more than {limit:,} values: it has that many marks that begin one",
        "a list of steps in block style (a line each, without anchors) may hold more"
        if limit < MAX_NODES
        else "split the workflow",
    )


def node_bound(text: str) -> int:
    """No fewer than the nodes of this YAML or JSON text: each has a delimiter before it.

    A mapping's keys are counted with their `:`; a fast upper bound, never an estimate below, and
    never more than two for the text and one for each of its characters.
    """
    data = text.encode()
    delimiters = len(data) - len(data.translate(None, _DELIMITERS))
    return 2 + delimiters + data.count(b"- ") + data.count(b"-\n")


def more_nodes_than(limit: int, text: str) -> bool:
    """Whether the bound is above the limit.

    Cheaper and looser bounds are tried first: the number of characters, then all dashes.
    """
    if 2 + len(text) <= limit:
        return False
    data = text.encode()
    marks = len(data) - len(data.translate(None, _DELIMITERS + b"-"))
    return 2 + marks > limit and node_bound(text) > limit


def may_be_deep(text: str) -> bool:
    """Whether brackets may be nested deeper than `MAX_DEPTH`.

    libyaml checks every open bracket at every token, so a million of them would take days.
    Brackets in texts count too, so True only means that the text has to be scanned first.
    """
    if "[" not in text and "{" not in text:
        return False
    left = text.encode().translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if len(left) <= MAX_DEPTH:
            return False
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return True
