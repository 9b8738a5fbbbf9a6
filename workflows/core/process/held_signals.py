"""Signals that wait for a moment, so that nothing is half done when their handlers raise."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType


class HeldSignals:
    """SIGTERM and SIGINT wait until `release`: while a child is started that nobody knows of yet.

    A handler that raises in between would leave that child behind. Signals are handled in the
    main thread only, so other threads have nothing to hold.
    """

    def __init__(self) -> None:
        self._arrived: list[int] = []
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._arrived.append(number)

    def release(self) -> None:
        """Put the handlers back and let what arrived meanwhile take its course."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for late in self._arrived:
            signal.raise_signal(late)
