"""`{{ … }}` in a DAG's texts: found and checked at load, step parts filled in at run time.

- `{{ params.x }}` is replaced at load by the value given for `x`; that value is never looked at
  for templates again.
- `{{ steps.ID.jobId }}`, in args only, stays until the step starts: a `Template`.
- `{{ '{{' }}` is a literal `{{`. A `}}` by itself is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.core.nearest import nearest
from workflows.dag.file.findings import LACKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK = "{{"
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_PART = re.compile(r"\{\{(.*?)(?:\}\}|\Z)", re.DOTALL)
_PARAM = re.compile(r"params\.([A-Za-z_][A-Za-z0-9_-]*)")
_STEP = re.compile(rf"steps\.({ID})\.jobId")


@dataclass(frozen=True, slots=True)
class JobId:
    """A place where the id of this step's job goes."""

    step: str


class Template(str):
    """An arg with places for job ids; as a `str` it is the text of the file."""

    __slots__ = ("parts",)
    parts: tuple[str | JobId, ...]

    @classmethod
    def of(cls, parts: Sequence[str | JobId]) -> Template:
        """The template made of these parts; literal text is kept as it is."""
        made = cls(
            "".join(
                part if isinstance(part, str) else f"{{{{ steps.{part.step}.jobId }}}}"
                for part in parts
            )
        )
        made.parts = tuple(parts)
        return made


def fill_in_job_ids(args: tuple[str, ...], job_ids: Mapping[str, str]) -> tuple[str, ...]:
    """`args` with the job ids filled in; the same tuple if there is no place for one.

    Raises:
        KeyError: a step that is not in `job_ids`; the loader has checked that each one is a
            dependency, and so has been started (or skipped, which an `always` step must expect).
    """
    if Template not in map(type, args):
        return args
    return tuple(_filled(arg, job_ids) if isinstance(arg, Template) else arg for arg in args)


def referenced_steps(args: tuple[str, ...]) -> list[str]:
    """The ids of the steps whose job ids these args need, in order, with repetitions."""
    if Template not in map(type, args):
        return []
    found = []
    for arg in args:
        if type(arg) is Template:
            found += [part.step for part in arg.parts if isinstance(part, JobId)]
    return found


def _filled(arg: Template, job_ids: Mapping[str, str]) -> str:
    return "".join(part if isinstance(part, str) else job_ids[part.step] for part in arg.parts)


@dataclass(slots=True)
class ExpandedText:
    """A text after its parameters were filled in, and what was wrong with it."""

    text: str
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of message and suggestion."""


def expand_templates(text: str, params: Mapping[str, str], *, job_ids: bool) -> ExpandedText:
    """`text` with parameters filled in; a `Template` if it has places for job ids.

    `job_ids` says whether such places are allowed here.
    """
    parts: list[str | JobId] = []
    problems: list[tuple[str, str]] = []
    end = 0
    for found in _PART.finditer(text):
        parts.append(text[end : found.start()])
        end = found.end()
        if not found[0].endswith("}}"):
            problems.append(("`{{` without `}}`", "a literal `{{` is written {{ '{{' }}"))
            continue
        part = _part(found[1].strip(), params, problems, job_ids=job_ids)
        if part is not None:
            parts.append(part)
    parts.append(text[end:])
    if any(isinstance(part, JobId) for part in parts):
        return ExpandedText(Template.of(_joined(parts)), problems)
    return ExpandedText("".join(part for part in parts if isinstance(part, str)), problems)


def _part(
    inner: str, params: Mapping[str, str], problems: list[tuple[str, str]], *, job_ids: bool
) -> str | JobId | None:
    if inner in {"'{{'", '"{{"'}:
        return MARK
    if param := _PARAM.fullmatch(inner):
        name = param[1]
        if name in params:
            return params[name]
        close = nearest(name, params)
        given = f"did you mean {close!r}? " if close else ""
        problems.append((f"{LACKING}{name!r}", f"{given}give --param {name}=VALUE"))
        return None
    if step := _STEP.fullmatch(inner):
        if job_ids:
            return JobId(step[1])
        problems.append(
            (f"`{{{{ {inner} }}}}` is not possible here", "job ids are known in args only")
        )
        return None
    problems.append(
        (
            f"unknown template `{{{{ {inner[:60]} }}}}`",
            "there are {{ params.NAME }}, {{ steps.ID.jobId }}, and {{ '{{' }} for a literal `{{`",
        )
    )
    return None


def _joined(parts: list[str | JobId]) -> list[str | JobId]:
    """The same parts; neighbouring texts are joined, empty ones removed."""
    joined: list[str | JobId] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return joined
