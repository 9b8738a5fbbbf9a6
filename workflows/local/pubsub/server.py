"""Start a Pub/Sub on this machine: the emulator if it is installed, else the stand-in."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from workflows.core.errors import ProgramMissing
from workflows.local.pubsub import emulator
from workflows.local.pubsub.standin import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class PubSubKind(StrEnum):
    """Which Pub/Sub runs."""

    AUTO = "auto"
    EMULATOR = "emulator"
    STAND_IN = "stand-in"


class PubSub:
    """A Pub/Sub on this machine. `kind` says which of the two it is, never `auto`.

    `stand_in` is set for the stand-in only; tests inject faults there.

    Raises:
        ProgramMissing: the emulator is asked for, and it or Java is not installed.
    """

    def __init__(self, folder: Path, *, kind: PubSubKind = PubSubKind.AUTO) -> None:
        self._folder = folder
        self._found = None if kind is PubSubKind.STAND_IN else emulator.find_emulator()
        if kind is PubSubKind.EMULATOR and self._found is None:
            raise ProgramMissing(
                "the Pub/Sub emulator is not installed",
                fix="install Java and the component pubsub-emulator of the Google Cloud SDK",
            )
        self.kind = PubSubKind.EMULATOR if self._found else PubSubKind.STAND_IN
        self.stand_in = None if self._found else StandIn()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve for as long as the block lasts and yield the base URL (REST, `/v1/…`).

        PUBSUB_EMULATOR_HOST is that URL without `http://`.

        Raises:
            OSError: the port is taken.
            RuntimeError: the emulator does not start.
        """
        if self.stand_in is not None:
            with self.stand_in.serve(port) as url:
                yield url
        elif self._found is not None:
            with emulator.running_emulator(self._found, self._folder, port=port) as url:
                yield url
