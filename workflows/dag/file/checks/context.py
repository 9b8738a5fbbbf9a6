"""What all checks of one DAG file share: the caller's choices, and the mistakes found so far.

Checks raise nothing. A wrong value is replaced by a right one, so that the rest of the file is
checked too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workflows.dag.file.checks import scalars
from workflows.dag.file.findings import Problem, ValuePath

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_MAX_PROBLEMS = 10_000  # more than are ever shown; memory stays bounded


@dataclass(slots=True)
class CheckContext:
    """The state of one check of one file."""

    params: Mapping[str, str]
    """Values for `{{ params.x }}`."""
    flows: Collection[str] | None = None
    """Names that a flow step may have; None leaves them to `dag.file.flow_parameters`."""
    is_exact: Callable[[], bool] = lambda: True
    """Whether all whole numbers and booleans are written as Python writes them."""
    texts: Mapping[ValuePath, str] | None = None
    """The scalars at `unsure` paths as they are written, once they are known."""
    problems: list[Problem] = field(default_factory=list)
    unsure: list[ValuePath] = field(default_factory=list)
    """Scalars whose notation is needed: check again with them in `texts`."""
    step_id: str | None = None
    """The id of the step that is being checked."""
    shared: dict[str, str] = field(default_factory=dict)
    """One object for each id and variable name, however often the file repeats it."""
    images: dict[str, str] = field(default_factory=dict)
    """Images that were checked, by how they are written; files repeat the same few."""

    def complain(
        self, path: ValuePath, message: str, fix: str = "", *, at_key: bool = False
    ) -> None:
        """Add a mistake at `path`, in the step that is being checked."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Problem(path, message, fix, at_key, self.step_id))

    def complain_of_kind(self, path: ValuePath, message: str, value: Any) -> None:
        """Add the mistake that `value` is of the wrong kind; `message` says which is right."""
        fix = scalars.quotes(value) if message.endswith(" a text") else ""
        self.complain(path, f"{message}, not {scalars.kind_of_value(value)}", fix)

    def is_of_kind(self, path: ValuePath, value: Any, kind: type, message: str) -> bool:
        """Whether `value` is of this very type; if not, a mistake is added."""
        if type(value) is kind:
            return True
        self.complain_of_kind(path, message, value)
        return False
