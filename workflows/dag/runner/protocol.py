"""The Task Runner's protocol: paths, request bodies, response bodies. Pure.

`POST /job` takes `{"job_name", "imageUri", "args"}`, and `env` if the step has one. Responses are
`{"job": {"jobId": ID, "state": STATE}}`, with or without the outer `job`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

Args = tuple[str, ...] | list[str]  # orjson writes both as an array

_MAX_MESSAGE = 500
_MAX_KEY = 200
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SAFE = re.compile(r"[A-Za-z0-9._~-]+")


class JobState(StrEnum):
    """The states of the protocol; UNKNOWN is any other text, and counts as running."""

    NEW = "NEW"
    QUEUED = "QUEUED"
    LOADING = "LOADING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


_STATES = {state.value: state for state in JobState}
# once, since looking up an enum's member is slow
_SUCCEEDED, _FAILED, _CANCELLED = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED


@dataclass(slots=True)
class RunnerJob:
    """A job at the Task Runner; `state_text` is its state as the runner wrote it."""

    id: str
    state: JobState
    message: str
    state_text: str

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        state = self.state
        return state is _SUCCEEDED or state is _FAILED or state is _CANCELLED


class RunnerCapabilities(NamedTuple):
    """What a runner offers beyond the documented protocol; many offer nothing."""

    wait: bool = False  # GET /jobstatus?wait=SECONDS answers when the job has ended
    cancel: bool = False  # POST /job/cancel?job_id=
    find: bool = False  # GET /jobs?job_name=
    idempotency: bool = False  # the same Idempotency-Key gives the same job


def encode_submission(name: str, image: str, args: Args, env: Mapping[str, str]) -> bytes:
    """The body of `POST /job`."""
    body: dict[str, Any] = {"job_name": name, "imageUri": image, "args": args}
    if env:
        body["env"] = dict(env)
    return orjson.dumps(body)


def job_status_path(job_id: str, wait_s: float = 0) -> str:
    """Path and query of a poll; with `wait_s` of a long poll of so many seconds."""
    path = f"/jobstatus?job_id={_percent_encoded(job_id)}"
    return f"{path}&wait={wait_s:g}" if wait_s else path


def job_cancel_path(job_id: str) -> str:
    """Path and query of the request to cancel a job."""
    return f"/job/cancel?job_id={_percent_encoded(job_id)}"


def job_search_path(name: str) -> str:
    """Path and query of the search for jobs by name."""
    return f"/jobs?job_name={_percent_encoded(name)}"


def idempotency_key(run_id: str, step_id: str, attempt: int) -> str:
    """A key that is the same for the same attempt of a step of a run, and safe in a header."""
    key = f"{run_id}:{_percent_encoded(step_id)}:{attempt}"
    if len(key) > _MAX_KEY:
        key = sha256(key.encode()).hexdigest()
    return key


def _percent_encoded(text: str) -> str:
    """The text for a URL or a header. Most ids need no encoding."""
    most = text.replace("-", "")
    if (most.isascii() and most.isalnum()) or _SAFE.fullmatch(text):
        return text
    return quote(text, safe="-._~")


def decode_job(body: bytes) -> RunnerJob | None:
    """The job in a response body; None if there is none."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    return _job(found)


def decode_jobs(body: bytes) -> list[RunnerJob]:
    """The jobs in the response to a search, in the runner's order."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return []
    listed = found.get("jobs") if isinstance(found, dict) else found
    return [job for one in listed if (job := _job(one))] if isinstance(listed, list) else []


def decode_capabilities(body: bytes) -> RunnerCapabilities:
    """What a runner says it offers, at the top or below `capabilities`; nothing by default."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return RunnerCapabilities()
    if not isinstance(found, dict):
        return RunnerCapabilities()
    inner = found.get("capabilities")
    named = inner if isinstance(inner, dict) else found
    return RunnerCapabilities(*(named.get(name) is True for name in RunnerCapabilities._fields))


def _job(found: Any) -> RunnerJob | None:
    facts = found.get("job", found) if isinstance(found, dict) else None
    if not isinstance(facts, dict):
        return None
    job_id, state_text = facts.get("jobId", facts.get("job_id")), facts.get("state")
    if type(job_id) is int:
        job_id = str(job_id)
    if not isinstance(job_id, str) or not isinstance(state_text, str) or not job_id:
        return None
    state = _STATES.get(state_text)
    if state is None:
        state = _STATES.get(state_text.strip().upper(), JobState.UNKNOWN)
        state_text = _printable(state_text)
    message = ""
    if state is _FAILED or state is _CANCELLED:
        message = _reason(facts)
    return RunnerJob(job_id, state, message, state_text)


def _reason(facts: dict[str, Any]) -> str:
    """Why the job failed or was cancelled, as the runner says it."""
    return _text(facts.get("message") or facts.get("error") or facts.get("reason"))


def _printable(text: str) -> str:
    """The text without control characters, which could change what a terminal shows."""
    return text if text.isprintable() else _CONTROLS.sub("", text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    text = _printable(text)
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"


def error_text(body: bytes) -> str:
    """The message in the JSON body of an error response, or the start of its text."""
    text = body[: 4 * _MAX_MESSAGE].decode(errors="replace").strip()
    try:
        found = orjson.loads(body)
    except ValueError:
        return _text(text)
    if isinstance(found, dict):
        for name in ("message", "error", "detail"):
            if found.get(name):
                return _text(found[name])
    return _text(text)
