"""The steps that may start, and how many of them may start now. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from workflows.dag.states import StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

_READY = StepState.READY  # once, since looking up an enum's member is slow


class StartQueue:
    """Ready steps in order. At most `max_running` run; of these `max_submissions` are submitted.

    `running` counts attempts that have started and not ended, `submitting` those of them whose
    job is not made yet.
    """

    def __init__(self, max_running: int, max_submissions: int) -> None:
        self.running = 0
        self.submitting = 0
        self._max_running = max_running
        self._max_submissions = max_submissions
        self.ready: deque[int] = deque()

    @property
    def is_blocked(self) -> bool:
        """Whether steps wait for the end of others only because too many run."""
        return bool(self.ready) and self.running >= self._max_running

    def start_batch(self, states: Sequence[StepState]) -> list[int]:
        """The steps to start now. They are counted; steps that are skipped meanwhile are left out.

        `states` is the scheduler's list.
        """
        batch: list[int] = []
        ready = self.ready
        free = min(self._max_submissions - self.submitting, self._max_running - self.running)
        while ready and len(batch) < free:
            step = ready.popleft()
            if states[step] is _READY:
                batch.append(step)
        self.submitting += len(batch)
        self.running += len(batch)
        return batch
