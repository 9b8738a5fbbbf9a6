"""Small steps every flow needs: a scratch folder that always goes away, and notifications."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.errors import PathRefused
from workflows.core.flow import FlowState
from workflows.core.observability import logger
from workflows.core.process import signals
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workflows.core.config.settings import Settings
    from workflows.core.flow import FlowOutcome

_log = logger("utility")
_NOTIFY_WHEN_STOPPED_S = 2.0  # after SIGTERM there are 5 s for everything


@contextmanager
def scratch_folder(prefix: str = "workflows-") -> Iterator[Path]:
    """A private folder below TMPDIR; gone after the block, also on failure and SIGTERM.

    Folders that something inside made read-only are removed too. What cannot be removed is
    logged. Only `kill -9` leaves it behind.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))

    def remove() -> None:
        _remove_tree(folder)

    with signals.before_forced_exit(remove):
        try:
            yield folder
        finally:
            try:
                remove()
            except BaseException:  # a signal arrived while removing: finish, then go
                remove()
                raise


def write_file(folder: Path, name: str, text: str) -> None:
    """Write `folder/name` as UTF-8, never through a symbolic link that the clone may hold.

    Raises:
        PathRefused: the name is a link or a folder in this clone, or leads out of it.
    """
    if name != Path(name).name or name in {".", "..", ".git"}:
        raise PathRefused(f"{name!r} is not a plain file name")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(folder / name, flags, 0o644)
    except OSError as error:
        raise PathRefused(
            f"{name!r} cannot be written in the clone",
            why=f"{error.strerror}: the repository holds a link or a folder of that name"
            if error.errno in {errno.ELOOP, errno.EISDIR}
            else str(error.strerror),
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def notify(outcome: FlowOutcome, settings: Settings) -> None:
    """Send title, outcome, duration and link to every Apprise URL of the settings.

    A notification that fails, or takes longer than the settings allow, is logged and never
    raised: it must not change the outcome of a flow.
    """
    if not settings.notify_urls:
        return
    limit = settings.notify_timeout_s
    if outcome.state is FlowState.TERMINATED:
        limit = min(limit, _NOTIFY_WHEN_STOPPED_S)
    urls = [url.get_secret_value() for url in settings.notify_urls]
    title, body = notification_text(outcome)
    failures: list[str] = []
    threads = [
        threading.Thread(target=_send, args=(i, url, title, body, failures.append), daemon=True)
        for i, url in enumerate(urls, 1)
    ]
    for thread in threads:
        thread.start()
    _wait_for(threads, limit, failures.append)
    for failure in failures:
        _log.error("%s", failure)


def notification_text(outcome: FlowOutcome) -> tuple[str, str]:
    """Title and body of the notification: redacted, and with no mention a chat would act on."""
    title = f"{outcome.workflow} {outcome.state.value}: {outcome.title}"
    lines = [f"{outcome.state.value.capitalize()} after {outcome.duration_s:.1f} s."]
    if outcome.web_url:
        lines.append(outcome.web_url)
    if outcome.message:
        lines.append(re.sub(r"@(?=\w)|<(?=[!@#])", "\\g<0>\u200b", outcome.message))
    lines.append(f"Run {outcome.run_id}")
    return redact(title), redact("\n".join(lines))


def _send(number: int, url: str, title: str, body: str, fail: Callable[[str], None]) -> None:
    """Send to one URL. Errors give its number in NOTIFY_URLS, because the URL is a secret."""
    try:
        import apprise  # noqa: PLC0415 - takes 0.3 s; few runs notify

        target = apprise.Apprise()
        if not target.add(url):
            fail(f"notification {number} not sent: Apprise does not know this kind of URL")
        elif not target.notify(title=title, body=body):
            fail(f"notification {number} not sent: the service did not accept it")
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises must not fail the flow
        fail(redact(f"notification {number} not sent: {type(error).__name__}: {error}"))


def _wait_for(threads: list[threading.Thread], limit: float, fail: Callable[[str], None]) -> None:
    """Wait `limit` seconds for all threads together."""
    deadline = time.monotonic() + limit
    for number, thread in enumerate(threads, 1):
        thread.join(max(deadline - time.monotonic(), 0))
        if thread.is_alive():
            fail(f"notification {number} not sent within {limit:g} s")


def _remove_tree(folder: Path) -> None:
    """Remove a tree, giving back write permission to folders that lack it."""
    if not folder.exists():
        return
    with suppress(OSError):
        shutil.rmtree(folder)
        return
    for parent, _, _ in os.walk(folder):
        with suppress(OSError):
            Path(parent).chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _log.error("could not remove the scratch folder %s", folder)
