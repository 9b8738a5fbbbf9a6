"""The hidden line at the top of our note on an issue: who works on it, and in which phase. Pure.

It is an HTML comment with one JSON object. A later run reads it, only in notes that our own user
wrote, and so knows what to do (`decision`).
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

KEY = "workflows:resolve_issue"
LINE_START = f"<!-- {KEY} "
_LINE = re.compile(rf"\A<!-- {KEY} (\{{.*\}}) -->")


class Phase(StrEnum):
    """Where the work on an issue stands."""

    WORKING = "working"
    INTERRUPTED = "interrupted"  # stopped or failed in a way that may pass; anyone may go on
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Marker:
    """What a run leaves for the next one.

    `owner` is one process, `run` its run id for people. `beat` counts its heartbeats;
    `lease_s` is how long the claim holds without one. `base` is the commit the branch was made
    at. `evidence` is how the checks ended on `head`, so that a run that goes on after a crash can
    still say it. `asked_at` is ISO 8601.
    """

    owner: str
    run: str
    phase: Phase
    branch: str
    request: str
    lease_s: float
    beat: int = 0
    asked_at: str | None = None
    base: str | None = None
    head: str | None = None
    merge_request: int | None = None
    evidence: dict[str, Any] | None = None

    def line(self) -> str:
        """The marker as the first line of a note."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        text = json.dumps(values, ensure_ascii=True)
        text = text.replace("<", r"\u003c").replace(">", r"\u003e")
        return f"<!-- {KEY} {text} -->"

    @property
    def asked(self) -> datetime | None:
        """`asked_at` as a time; None where it is missing or makes no sense."""
        try:
            return datetime.fromisoformat(self.asked_at) if self.asked_at else None
        except ValueError:
            return None

    def is_late(self, asked: datetime | None) -> bool:
        """Whether a request of that time is no newer than this marker's."""
        return asked is not None and self.asked is not None and asked <= self.asked

    def covers(self, request: str, asked: datetime | None) -> bool:
        """Whether the run of this marker carries out that request too."""
        return self.request == request or self.is_late(asked)


def parse_marker(body: str) -> Marker | None:
    """The marker at the top of a note's body; None where there is none that makes sense.

    Unknown keys (of a newer version) are dropped.
    """
    found = _LINE.match(body)
    if found is None:
        return None
    try:
        values = json.loads(found.group(1))
        names = {field.name for field in dataclasses.fields(Marker)}
        kept = {k: v for k, v in values.items() if k in names}
        marker = Marker(**kept)
        return dataclasses.replace(
            marker, phase=Phase(marker.phase), lease_s=float(marker.lease_s), beat=int(marker.beat)
        )
    except (ValueError, TypeError):
        return None
