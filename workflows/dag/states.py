"""The states of a step of a DAG run. Pure: imported by the scheduler, the journal and displays."""

from __future__ import annotations

from enum import IntEnum


class StepState(IntEnum):
    """The state of a step; from SUCCEEDED on it is final. The journal stores the numbers."""

    WAITING = 0
    READY = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5
    SKIPPED = 6  # a dependency failed, or the DAG stops at the first failure
    NOT_NEEDED = 7  # the step runs on failures only, and there was none
