"""The jobs of a Task Runner as a file of JSON lines, which is read again after a restart.

Each new job and each change is one line, written at once. It survives the end of the process, but
perhaps not of the machine. Arguments and variables are not written, only their fingerprint.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from workflows.task_runner.job import JobRequest, TaskJob, TaskJobState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class JobJournal:
    """Appends lines. Only one process may use the file at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def replay(self) -> Iterator[tuple[TaskJob, str, str]]:
        """Every job in its last written state, with its idempotency key and fingerprint.

        A line that was cut off by the end of the process is skipped.
        """
        found: dict[str, tuple[TaskJob, str, str]] = {}
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    fact: dict[str, Any] = json.loads(line)
                except ValueError:
                    continue
                if "name" in fact:
                    request = JobRequest(fact["name"], fact["image"])
                    job = TaskJob(fact["id"], request, fact["run"], fact["created"])
                    found[job.id] = (job, fact["key"], fact["print"])
                elif fact["id"] in found:
                    job = found[fact["id"]][0]
                    job.state = TaskJobState(fact["state"])
                    job.message, job.exit_code = fact["message"], fact["exit"]
                    job.remote = fact["remote"]
        yield from found.values()

    def created(self, job: TaskJob, key: str, fingerprint: str) -> None:
        """Append a new job."""
        self._write(
            {
                "id": job.id,
                "name": job.request.name,
                "image": job.request.image,
                "run": job.run,
                "created": job.created_at,
                "key": key,
                "print": fingerprint,
            }
        )

    def moved(self, job: TaskJob) -> None:
        """Append the present state of a job."""
        self._write(
            {
                "id": job.id,
                "state": job.state,
                "message": job.message,
                "exit": job.exit_code,
                "remote": job.remote,
            }
        )

    def _write(self, fact: dict[str, Any]) -> None:
        # The line end first: a line cut off by a crash must not swallow this one.
        os.write(self._number, f"\n{json.dumps(fact)}".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._number)
