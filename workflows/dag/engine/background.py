"""Tasks and callbacks of one run: whatever one of them raises ends the run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class BackgroundTasks:
    """Use inside a running loop. `done` has the run's end; once `closed` nothing happens here."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False

    def finish(self) -> None:
        """The run has come to its end."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BaseException) -> None:
        """The run ends with this error; of several the first counts."""
        if not self.done.done():
            self.done.set_exception(error)

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Call it now, for those who cannot let an exception through."""
        if not self.closed:
            try:
                function(*args)
            except BaseException as error:  # noqa: BLE001 - the run raises it
                self.fail(error)

    def spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run it as a task."""
        if self.closed:
            coroutine.close()
            return
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def close(self) -> None:
        """Cancel what still runs, and wait for that."""
        self.closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
