"""The options of a DAG run, each declared once: for `workflows dag run` and the flow `run_dag`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from workflows.core.config.declare import (
    Values,
    choice,
    integer,
    number,
    required_text,
    secret_text,
    switch,
    text,
    words,
)
from workflows.core.config.settings import RUN_ID
from workflows.core.errors import ParametersInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.dag.engine.poll_schedule import PollIntervals

_SHORTEST_S = 0.05  # a fixed interval of 0 means as often as possible, not a busy loop


class JournalSync(StrEnum):
    """When an entry of the journal counts as written."""

    NORMAL = "normal"
    FULL = "full"


class LostAnswers(StrEnum):
    """What to do with a step whose job may have been made, where the runner cannot be asked."""

    FAIL = "fail"
    REPEAT = "repeat"


class JobNames(StrEnum):
    """How the jobs of steps are named at the Task Runner."""

    PLAIN = "plain"
    UNIQUE = "unique"


class DagRunOptions(Values):
    """Everything that a DAG run can be asked for. What its environment says is in `Settings`."""

    dag_path = required_text(
        "The DAG: a YAML or JSON file, or gs://BUCKET/OBJECT.", other_names=("workflow_path",)
    )
    tr_hostname = required_text("The Task Runner's address.", other_names=("tr_url",))
    tr_auth_jwt = secret_text(
        "Token for the Task Runner, `none` to send none; not given: TR_AUTH_JWT, else Google ID"
        " tokens for its address."
    )
    param = words("NAME=VALUE: what {{ params.NAME }} in the file stands for; can be repeated.")
    run_id = text(
        None, "Name of this run; made up where it is not given.", pattern=RUN_ID, longest=128
    )
    resume = switch("Go on with the run of that id, if there is one.")
    journal = text(
        None,
        "Where the run's journal is kept: a folder, gs://BUCKET/PREFIX, or `none` to keep none;"
        " not given: a folder below ~/.local/state.",
    )
    journal_sync = choice(
        JournalSync.NORMAL,
        "With `full` each entry of a journal in a folder waits for the disk, so that the run can"
        " be resumed after a power failure too; with `normal` the last moments may be lost then.",
    )
    poll_interval = number(
        None,
        "Time between the first polls of a job, before it is known how long such jobs take; not"
        " given: 1 second.",
        least=0,
        most=86_400,
        unit="seconds",
    )
    max_parallel = integer(None, "Most jobs that run at one time.", least=1)
    connections = integer(64, "Most connections to the Task Runner.", least=1, most=1024)
    cancel_on_exit = switch("Cancel the running jobs when this run is stopped.")
    lost_answers = choice(
        LostAnswers.FAIL,
        "What to do where an answer was lost and nobody can say whether a job was made: `fail` the"
        " step, or `repeat` the request, which may make a second job.",
    )
    job_names = choice(
        JobNames.PLAIN,
        "Names of the jobs: `plain` as in the file, or `unique` with the run's id added.",
    )
    report = text(None, "File to write a page about the run to, in HTML.")


def pace(poll_interval_s: float | None, fixed_s: float | None) -> PollIntervals:
    """When to poll jobs: the first interval, unless all of them are fixed."""
    from workflows.dag.engine import poll_schedule  # noqa: PLC0415 - `--help` does without it

    if fixed_s is not None:
        fixed_s = max(fixed_s, _SHORTEST_S)
    base_s = poll_schedule.BASE_S if poll_interval_s is None else poll_interval_s
    return poll_schedule.PollIntervals(
        base_s=max(base_s, 0.001), fixed_s=fixed_s, floor_s=fixed_s or 0.0
    )


def dag_params(given: Sequence[str]) -> dict[str, str]:
    """The `NAME=VALUE` texts of the option `param` by name; the last one of a name counts.

    Raises:
        ParametersInvalid: with a line for each that is no NAME=VALUE.
    """
    pairs = [one.partition("=") for one in given]
    wrong = [f"param {''.join(pair)!r} is not NAME=VALUE" for pair in pairs if not all(pair[:2])]
    if wrong:
        raise ParametersInvalid("the DAG's parameters are not right", why="\n".join(wrong))
    return {name: value for name, _, value in pairs}
