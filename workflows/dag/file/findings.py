"""What is wrong with a DAG file: a `Problem` has a path, the `Finding` made of it a line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from workflows.core.errors import DagInvalid

ValuePath = tuple[str | int, ...]
"""Where a value is: keys as they are written, and places in lists from 0."""

LACKING = "no value for parameter "
"""The beginning of each finding about a template whose parameter was not given."""

MAX_SHOWN = 200
"""Most findings that are shown; if there are more, the last one says how many."""


class Problem(NamedTuple):
    """A mistake at a path; its line is not known yet."""

    path: ValuePath
    message: str
    suggestion: str = ""
    at_key: bool = False
    """The key of the path is wrong, not its value."""
    step: str | None = None
    """The id of the step it is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: where it is (from 1, column in characters), in which step, what, and the fix."""

    line: int
    column: int
    step: str | None
    message: str
    suggestion: str = ""

    def text(self, file: str) -> str:
        """`FILE:line:column: step 'x': message (suggestion)`, for people and editors."""
        step = f"step {self.step!r}: " if self.step is not None else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{file}:{self.line}:{self.column}: {step}{self.message}{hint}"

    def as_dict(self) -> dict[str, Any]:
        """Line, column, step, message and suggestion, as one flat JSON object."""
        return asdict(self)


def dag_invalid(file: str, findings: list[Finding]) -> DagInvalid:
    """The error to raise for these findings: all of them, in the order of the file."""
    ordered = sorted(set(findings), key=lambda one: (one.line, one.column, one.message))
    shown, rest = ordered[:MAX_SHOWN], ordered[MAX_SHOWN:]
    if rest:
        more = f"{len(rest):,} more findings are not shown"
        shown.append(Finding(rest[0].line, rest[0].column, None, more))
    what, fix = _what_and_fix(file, ordered)
    error = DagInvalid(
        what, why="\n".join(one.text(file) for one in shown), fix=f"{fix}; nothing was run"
    )
    error.findings = tuple(shown)
    return error


def _what_and_fix(file: str, findings: list[Finding]) -> tuple[str, str]:
    """What is wrong with the file in one line, and what to do."""
    count = len(findings)
    what, fix = f"{file} has {count:,} mistake{'' if count == 1 else 's'}", "mend the file"
    lacking = [one.message for one in findings if one.message.startswith(LACKING)]
    if not lacking:
        return what, fix
    names = [text.removeprefix(LACKING).strip("'") for text in dict.fromkeys(lacking)]
    add = "add " + " ".join(f"--param {name}=VALUE" for name in names)
    if len(lacking) < count:
        return what, f"{add}, and {fix}"
    plural = "" if len(names) == 1 else "s"  # the file itself is sound
    return f"{file} needs the parameter{plural} {', '.join(names)}", add


def dag_unreadable(file: str, why: str, fix: str = "") -> DagInvalid:
    """The error to raise for a file that cannot be read."""
    return DagInvalid(f"cannot read {file}", why=why, fix=fix)
