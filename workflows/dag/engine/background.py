"""Tasks and timers of one run: an error in any of them ends the run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class BackgroundTasks:
    """Create it inside a running loop.

    `done` completes when the run ends; if there was an error, it holds that error.

    After `close` no task runs and no callback is called.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.now = self._loop.time
        """The event loop's time, in seconds."""

    def finish(self) -> None:
        """End the run without an error. Idempotent."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BaseException) -> None:
        """End the run with this error, unless it has ended already."""
        if not self.done.done():
            self.done.set_exception(error)

    def spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run it as a task."""
        if self._closed:
            coroutine.close()
            return
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def call_soon(self, function: Callable[..., None], *args: Any) -> None:
        """Call it in the next iteration of the event loop."""
        self._loop.call_soon(self._call, function, args)

    def call_later(self, delay_s: float, function: Callable[..., None], *args: Any) -> None:
        """Call it in `delay_s` seconds."""
        self._loop.call_later(delay_s, self._call, function, args)

    def call_at(self, at: float, function: Callable[..., None]) -> asyncio.TimerHandle:
        """Call it at this time of the event loop; the handle can cancel the call."""
        return self._loop.call_at(at, self._call, function, ())

    async def close(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _call(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        if not self._closed:
            try:
                function(*args)
            except BaseException as error:  # noqa: BLE001 - `done` raises it in the run
                self.fail(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)
