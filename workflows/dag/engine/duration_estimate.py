"""An estimate of how long jobs of one kind take, while many of them still run. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_SAMPLES = 1_000
_ENOUGH_SAMPLES = 5
_HALF = 0.5 + 1e-9  # more than 0.5, for rounding errors of the product
_REFIT_PART = 5  # refit after every fifth more samples


class DurationEstimate:
    """The median duration by Kaplan and Meier's estimator: running jobs count with their age.

    The median of the ended jobs alone is far too short at first, when only short ones have ended,
    and far too long when the last ones end. Durations and ages are in seconds.
    """

    def __init__(self) -> None:
        self.median_s: float | None = None
        """None until about half of the jobs have ended."""
        self._ended: list[float] = []
        self._stride = 1  # of so many ended jobs one is kept as a sample
        self._count = 0
        self._refit_at = 1

    @property
    def has_enough_samples(self) -> bool:
        """Whether enough jobs have ended for a meaningful median."""
        return self._count >= _ENOUGH_SAMPLES

    def add(self, duration_s: float) -> bool:
        """Add an ended job; whether it is time to `refit`."""
        self._count = count = self._count + 1
        if not count % self._stride:
            self._ended.append(duration_s)
            if len(self._ended) > _MAX_SAMPLES:
                del self._ended[::2]
                self._stride *= 2
        return count >= self._refit_at

    def refit(self, ages_s: Sequence[float]) -> None:
        """Estimate again; `ages_s` are the ages of the jobs of this kind that run now."""
        self._refit_at = self._count + 1 + self._count // _REFIT_PART
        running = sorted(ages_s)
        ended = sorted(self._ended)
        if not running:
            self.median_s = ended[(len(ended) - 1) // 2]
            return
        surviving = 1.0
        for index, duration_s in enumerate(ended):
            older = len(running) - bisect_left(running, duration_s)
            surviving *= 1 - self._stride / ((len(ended) - index) * self._stride + older)
            if surviving <= _HALF:
                self.median_s = duration_s
                return
