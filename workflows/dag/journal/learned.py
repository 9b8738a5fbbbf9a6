"""Durations of steps in earlier runs, kept beside the journals in a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WORTH_KEEPING_S = 0.5  # the first poll of a step that takes less sees its end anyway


class LearnedDurations:
    """How long the steps of a DAG took in earlier runs, in seconds, by step id.

    Without them a run polls more often; its result is the same. A file that cannot be read or
    written counts as empty.
    """

    def __init__(self, folder: Path | None, name: str = "") -> None:
        self._file: Path | None = None
        self.durations_s: dict[str, float] = {}
        if folder is None:
            return
        self._file = folder / f"{quote(name, safe='')[:200]}.json"
        try:
            found = json.loads(self._file.read_bytes())
            self.durations_s = {str(k): float(v) for k, v in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.durations_s = {}

    def learn(self, took_s: Mapping[str, float]) -> None:
        """Store the mean of this run's durations and the ones known before."""
        if self._file is None:
            return
        known = self.durations_s
        news = {step: s for step, s in took_s.items() if s >= _WORTH_KEEPING_S or step in known}
        if not news:
            return
        for step, seconds in news.items():
            known[step] = round((known.get(step, seconds) + seconds) / 2, 3)
        scratch = self._file.with_suffix(".tmp")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(known))
            scratch.replace(self._file)
        except OSError:
            return
