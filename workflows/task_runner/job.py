"""A job, its states and the request it was made from. Data only: `jobs.py` changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TaskJobState(StrEnum):
    """The state of a job, in the words of the protocol. LOADING means that it runs."""

    NEW = "NEW"
    QUEUED = "QUEUED"
    LOADING = "LOADING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Whether a job has ended: this state never changes again."""
        return self in _FINAL

    def may_become(self, state: TaskJobState) -> bool:
        """Whether a job of this state may change to `state`: one that is CANCELLING only ends."""
        return not self.final and (self is not TaskJobState.CANCELLING or state.final)


_FINAL = frozenset({TaskJobState.SUCCEEDED, TaskJobState.FAILED, TaskJobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job runs: the checked body of POST /job."""

    name: str
    image: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A hash, equal for equal requests; the journal holds it, not the variables' values."""
        text = repr((self.name, self.image, self.args, sorted(self.env.items())))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(slots=True, eq=False)
class TaskJob:
    """One job of the Task Runner.

    `created_at` is in seconds since 1970. `remote` is what the backend calls the job: a process
    with its start time, or the name of an execution.
    """

    id: str
    request: JobRequest
    run: int  # 1 for the first job of this name, 2 for the second
    created_at: float
    state: TaskJobState = TaskJobState.NEW
    message: str = ""
    exit_code: int | None = None
    remote: str = ""
    due_at: float = 0.0  # on the mock's clock, in seconds
    listeners: list[Callable[[], object]] | None = None

    def facts(self) -> dict[str, str | int]:
        """The JSON object that the protocol answers with."""
        shown: dict[str, str | int] = {"jobId": self.id, "state": self.state.value}
        if self.message:
            shown["message"] = self.message
        if self.exit_code is not None:
            shown["exitCode"] = self.exit_code
        return shown
