"""The event loop of a run, and how signals stop the run."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workflows.core.process import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def frozen_garbage_collector() -> Iterator[None]:
    """Keep the garbage collector from visiting the objects that exist already: they stay alive."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop: uvloop's if it is installed (a third of the time per request)."""
    try:
        import uvloop  # noqa: PLC0415 - it does not exist on every platform
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    main = threading.current_thread() is threading.main_thread()
    wakeup = signal.set_wakeup_fd(-1) if main else -1
    handlers: dict[signal.Signals, Any] = (
        {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        if main
        else {}
    )
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if main:
            signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)


@contextmanager
def stopped_by_signals(stop_run: Callable[[int], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop_run` with their number; 3.5 s later the process is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        signals.force_exit_after(signals.CLEAN_UP_S, lambda: 128 + number, 128 + number)
        stop_run(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # the run is over: no other exit code
