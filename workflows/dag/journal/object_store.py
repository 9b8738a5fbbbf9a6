"""A run's journal as one object in Cloud Storage, for runs on machines that are gone afterwards.

The whole object is written anew, at most once in `_EVERY_S` seconds, on condition that its
generation is still the one we wrote: two processes cannot both go on. A lease in it (who, until
when) keeps a second process away while the first lives; one that has run out is taken over.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import threading
import time
from typing import Self

from workflows.core.errors import RequestConflict, ResourceNotFound, RunConflict, WorkflowsError
from workflows.core.google import storage
from workflows.dag.journal.events import Event, RunHeader, RunRecord, event_lines, replay_events

LEASE_S = 60.0
_EVERY_S = 1.0  # Cloud Storage takes one write a second of the same object
_LIMIT_BYTES = 256 * 1024 * 1024


class ObjectJournal:
    """Open one with `open_object`. A thread of its own writes; `stored` waits for it."""

    synchronous = False

    def __init__(self, url: str, generation: int, record: RunRecord | None, text: str) -> None:
        self._url = url
        self._generation = generation
        self._record = record
        self._text = [text] if text else []
        self._kept: list[Event] = []
        self._header: RunHeader | None = None
        self._ended = ""
        self._lease_until = 0.0
        self._noted = self._written = 0
        self._problem: WorkflowsError | None = None
        self._wake = threading.Event()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_on, daemon=True)

    @classmethod
    def open_object(cls, url: str) -> Self:
        """The journal in this object, which `begin` creates or takes over.

        Raises:
            RunConflict: another process holds the lease.
            WorkflowsError: the object cannot be read.
        """
        try:
            found = storage.read_object_with_generation(url, limit_bytes=_LIMIT_BYTES)
        except ResourceNotFound:
            return cls(url, 0, None, "")
        facts = json.loads(found.data)
        left_s = facts["lease_until"] - time.time()
        if left_s > 0 and not facts["ended"] and not _dead(facts["holder"]):
            raise RunConflict(
                f"the run {facts['header']['run_id']} is running in another process",
                why=f"{facts['holder']} holds it for {left_s:.0f} s more",
                fix="wait for it, or choose another --run-id",
            )
        record = replay_events(RunHeader(**facts["header"]), [facts["events"]], facts["ended"])
        return cls(url, found.generation, record, facts["events"])

    def record(self) -> RunRecord | None:
        """The record of what ran in an earlier process; None for a new run."""
        return self._record

    def begin(self, header: RunHeader) -> None:
        """Take the lease and write which run this is.

        Raises:
            RunConflict: another process has taken the lease meanwhile.
        """
        self._header = header
        self._write()
        self._thread.start()

    def note(self, event: Event) -> None:
        """Keep one event for the next flush."""
        self._kept.append(event)

    def flush(self) -> None:
        """Hand what was kept to the writing thread.

        Raises:
            RunConflict, WorkflowsError: an earlier write failed for good.
        """
        if self._problem is not None:
            raise self._problem
        if self._kept:
            with self._changed:
                self._text.append(event_lines(self._kept))
                self._noted += 1
            self._kept.clear()
            self._wake.set()

    async def stored(self) -> None:
        """Return when everything flushed before is in the object.

        Raises:
            RunConflict, WorkflowsError: it cannot be written.
        """
        self.flush()
        await asyncio.to_thread(self._wait, self._noted)

    def _wait(self, number: int) -> None:
        with self._changed:
            while self._written < number and self._problem is None:
                self._changed.wait(1.0)
        if self._problem is not None:
            raise self._problem

    def close(self, ended: str) -> None:
        """Write the end and release the lease."""
        if self._header is None:
            return
        problem = self._problem
        self._closing = True
        self._wake.set()
        self._thread.join()
        if problem is None:
            self._ended = ended
            if self._kept:
                self._text.append(event_lines(self._kept))
                self._kept.clear()
            self._write(lease_s=0)

    def _write_on(self) -> None:
        """Write new events, and renew the lease before it runs out, until `close`."""
        while True:
            left_s = self._lease_until - time.time() - LEASE_S / 2
            self._wake.wait(max(left_s, 0.01))
            self._wake.clear()
            if self._closing:
                return
            try:
                self._write()
            except WorkflowsError as error:
                with self._changed:
                    self._problem = error
                    self._changed.notify_all()
                return
            time.sleep(_EVERY_S)

    def _write(self, lease_s: float = LEASE_S) -> None:
        assert self._header is not None  # noqa: S101 - begin() has set it
        with self._changed:
            number, text = self._noted, "".join(self._text)
            self._text[:] = [text]
        until = time.time() + lease_s
        facts = {
            "header": self._header.facts(),
            "holder": _holder(),
            "lease_until": until,
            "ended": self._ended,
            "events": text,
        }
        try:
            self._generation = storage.write_object(
                self._url, json.dumps(facts).encode(), if_generation_match=self._generation
            )
        except RequestConflict as error:
            raise RunConflict(
                f"the run {self._header.run_id} was taken over by another process",
                why=error.what,
                fix="see `workflows dag status`; do nothing if the other process goes on with it",
            ) from error
        with self._changed:
            self._lease_until = until
            self._written = number
            self._changed.notify_all()


def read_object_journal(url: str) -> RunRecord | None:
    """The record of a run from its journal; None: there is no such object.

    Raises:
        WorkflowsError: the object cannot be read.
    """
    try:
        facts = json.loads(storage.read_object(url, limit_bytes=_LIMIT_BYTES))
    except ResourceNotFound:
        return None
    return replay_events(RunHeader(**facts["header"]), [facts["events"]], facts["ended"])


def _holder() -> str:
    return f"{platform.node()}/{os.getpid()}"


def _dead(holder: str) -> bool:
    """Whether the holder was a process of this machine that is gone."""
    host, _, number = holder.rpartition("/")
    if host != platform.node() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(number) == os.getpid()
