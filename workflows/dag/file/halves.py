"""A large file's steps, half of them read by a second processor.

A step comes back as plain tuples: named ones take three times as long to put into bytes and back.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import TYPE_CHECKING

from workflows.core import fork
from workflows.dag.file.model import Step, Task

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 500_000  # characters: a fork costs some 10 ms, reading so many 50 ms
_new = tuple.__new__  # a named tuple's own way costs four times as much


def processors() -> int:
    """How many this process may use; a quota of a container's does not show."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def both(first: Callable[[], list[Step]], second: Callable[[], list[Step]]) -> list[Step]:
    """The steps of both, read at the same time where that is possible.

    Raises:
        Exception: whatever one of the two raises; the other may have been left half-done.
    """
    if processors() == 1:
        return first() + second()
    with fork.beside(lambda: _to_bytes(second())) as other:
        made = first()
        data = other.result()
    return made + (second() if data is None else _from_bytes(data))


def _to_bytes(steps: list[Step]) -> bytes:
    plain = [
        (name, needs, None if task is None else tuple(task), *rest)
        for name, needs, task, *rest in steps
    ]
    return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)


def _from_bytes(data: bytes) -> list[Step]:
    """The steps that this program's own fork made of a checked file."""
    return [
        _new(Step, (name, needs, None if task is None else _new(Task, task), *rest))
        for name, needs, task, *rest in pickle.loads(data)  # noqa: S301 - nobody else's bytes
    ]
