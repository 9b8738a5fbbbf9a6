"""How a DAG run is to be carried out, checked; and the environment's say in it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from workflows.core.config import environment
from workflows.core.errors import SettingsInvalid
from workflows.dag.engine.poll_schedule import BASE_S, PollIntervals

RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
FIXED_INTERVAL = "WORKFLOW_CHECK_STATE_DURATION_SEC"
JOURNAL_DAYS = "WORKFLOWS_JOURNAL_DAYS"
_LONGEST_S = 86_400.0
_KEPT_DAYS = 30.0
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything a run can be told. Times in seconds; `journal` is a folder, gs:// or `none`."""

    runner: str
    token: str | None = None
    run_id: str = ""
    resume: bool = False
    journal: str = ""
    durable: bool = False
    poll_interval_s: float | None = None
    max_parallel: int | None = None
    connections: int = 64
    cancel_on_exit: bool = False
    repeat_lost: bool = False
    unique_names: bool = False
    patience_s: float = 300.0
    retry_delay_s: float = 1.0

    def __post_init__(self) -> None:
        """Check what argparse and pydantic do not.

        Raises:
            SettingsInvalid: with every problem.
        """
        problems = []
        if self.run_id and (not RUN_ID.fullmatch(self.run_id) or self.run_id.strip(".") == ""):
            problems.append(f"--run-id {self.run_id!r}: letters, digits, `.`, `_` and `-` only")
        if self.poll_interval_s is not None and not 0 <= self.poll_interval_s <= _LONGEST_S:
            problems.append("--poll-interval: is a number of seconds from 0 to 86400")
        if self.max_parallel is not None and self.max_parallel < 1:
            problems.append("--max-parallel: is at least 1")
        if not 1 <= self.connections <= 1024:  # noqa: PLR2004
            problems.append("--connections: is from 1 to 1024")
        if problems:
            raise SettingsInvalid(
                "the run cannot start: its options are not right", why="\n".join(problems)
            )


def pace(poll_interval_s: float | None) -> PollIntervals:
    """When to look at jobs: the flag sets the base look, the variable fixes the interval.

    Raises:
        SettingsInvalid: the variable is no number of seconds from 0 to 86,400.
    """
    fixed_s = None
    text = environment.variable(FIXED_INTERVAL)
    if text is not None:
        fixed_s = _seconds(text)
    base_s = BASE_S if poll_interval_s is None else poll_interval_s
    floor_s = 0.0 if fixed_s is None else fixed_s
    return PollIntervals(base_s=max(base_s, 0.001), fixed_s=fixed_s, floor_s=floor_s)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LONGEST_S:
        raise SettingsInvalid(
            f"{FIXED_INTERVAL}={text!r} cannot be used",
            why="it is the time between two looks at a job, in seconds, from 0 to 86400",
            fix="set it to a number such as 10 or 2.5, or leave it out",
        )
    return max(value, 0.05)  # 0 means as often as possible, not a busy loop


def journal_days() -> float:
    """How long the journal of a run that has ended is kept, in days; 0 is for ever.

    Raises:
        SettingsInvalid: the variable is no number of days from 0 to 36,500.
    """
    text = environment.variable(JOURNAL_DAYS)
    try:
        value = _KEPT_DAYS if text is None else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST_DAYS:
        raise SettingsInvalid(
            f"{JOURNAL_DAYS}={text!r} cannot be used",
            why=f"it is a number of days from 0 (keep all) to {_MOST_DAYS}",
            fix="set it to a number such as 30, or leave it out",
        )
    return value


def default_journal() -> Path:
    """`$XDG_STATE_HOME/workflows/dag`, else `~/.local/state/workflows/dag`."""
    state = environment.variable("XDG_STATE_HOME")
    base = Path(state) if state and Path(state).is_absolute() else _home() / ".local" / "state"
    return base / "workflows" / "dag"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise SettingsInvalid(
            "there is no place for the journal",
            why="neither HOME nor XDG_STATE_HOME is set",
            fix="give --journal DIR, gs://BUCKET/PREFIX or none",
        ) from None
