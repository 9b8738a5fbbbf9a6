"""The typical duration of a kind of job, while many of them still run. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAMPLE = 1_000
_SURE = 5
_HALF = 0.5 + 1e-9  # a product of fractions may miss it by a hair
_OFTEN = 5  # it is judged anew when a fifth more is known


class DurationEstimate:
    """The median of all jobs of a kind, ended and running (Kaplan and Meier's estimate).

    The median of those that have ended would be far too short at first, when only short ones have,
    and far too long at last. Durations and ages in seconds.
    """

    def __init__(self) -> None:
        self.median_s: float | None = None
        """None until half of them have ended, as well as can be known."""
        self._ended: list[float] = []
        self._each = 1  # of so many that ended one is kept
        self._count = 0
        self._judge_at = 1

    @property
    def sure(self) -> bool:
        """Whether enough have ended for the median to mean something."""
        return self._count >= _SURE

    def add(self, duration_s: float) -> bool:
        """One more has ended; whether it is time to `judge`."""
        self._count = count = self._count + 1
        if not count % self._each:
            self._ended.append(duration_s)
            if len(self._ended) > _SAMPLE:
                del self._ended[::2]
                self._each *= 2
        return count >= self._judge_at

    def refit(self, ages_s: Sequence[float]) -> None:
        """Estimate anew; `ages_s` are of the jobs of this kind that run now."""
        self._judge_at = self._count + 1 + self._count // _OFTEN
        running = sorted(ages_s)
        ended = sorted(self._ended)
        if not running:
            self.median_s = ended[(len(ended) - 1) // 2]
            return
        left = 1.0
        for place, duration_s in enumerate(ended):
            older = len(running) - bisect_left(running, duration_s)
            left *= 1 - self._each / ((len(ended) - place) * self._each + older)
            if left <= _HALF:
                self.median_s = duration_s
                return
