"""What a Task Runner is told and what it answers, as text. Pure.

`POST /job` takes `{"job_name", "imageUri", "args"}` (and `env` where a step has one); answers are
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

Args = tuple[str, ...] | list[str]  # what orjson writes as an array

_MAX_MESSAGE = 500
_MAX_KEY = 200
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SAFE = re.compile(r"[A-Za-z0-9._~-]+")


class JobState(StrEnum):
    """The states of the protocol, and UNKNOWN for any other word: taken for a running job."""

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
_TOLD = frozenset({JobState.FAILED, JobState.CANCELLED})  # with the runner's message
_PLAIN = {state.value: state for state in JobState if state not in {*_TOLD, JobState.UNKNOWN}}
FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


@dataclass(slots=True)
class RunnerJob:
    """A job as the runner shows it; `word` is its state as written there."""

    id: str
    state: JobState
    message: str
    word: str


class RunnerCapabilities(NamedTuple):
    """What a runner offers beyond the documented protocol; a plain one has none of it."""

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
    """Path and query of the question for a job's state."""
    path = f"/jobstatus?job_id={_quoted(job_id)}"
    return f"{path}&wait={wait_s:g}" if wait_s else path


def job_cancel_path(job_id: str) -> str:
    """Path and query of the request to cancel a job."""
    return f"/job/cancel?job_id={_quoted(job_id)}"


def job_search_path(name: str) -> str:
    """Path and query of the question for the jobs of a name."""
    return f"/jobs?job_name={_quoted(name)}"


def idempotency_key(run_id: str, step_id: str, attempt: int) -> str:
    """The same for the same attempt of the same step of the same run, and safe in a header."""
    key = f"{run_id}:{_quoted(step_id)}:{attempt}"
    if len(key) > _MAX_KEY:
        key = sha256(key.encode()).hexdigest()
    return key


def _quoted(text: str) -> str:
    """For a URL or a header; most ids are safe as they are."""
    most = text.replace("-", "")
    if (most.isascii() and most.isalnum()) or _SAFE.fullmatch(text):
        return text
    return quote(text, safe="-._~")


def decode_plain_job(body: bytes) -> RunnerJob | None:
    """The job in an answer, as `decode_job` has it; None where that has to look more closely.

    Nearly all answers are plain: written as documented, with a state that needs no more words.
    """
    try:
        facts = orjson.loads(body)["job"]
        job_id, word = facts["jobId"], facts["state"]
        if type(job_id) is str and job_id:
            return RunnerJob(job_id, _PLAIN[word], "", word)
    except (ValueError, KeyError, TypeError):
        pass
    return None


def decode_job(body: bytes) -> RunnerJob | None:
    """The job in an answer; None where there is none to be found."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    return _job(found)


def decode_jobs(body: bytes) -> list[RunnerJob]:
    """The jobs in the answer to a search, as the runner orders them."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return []
    listed = found.get("jobs") if isinstance(found, dict) else found
    return [job for one in listed if (job := _job(one))] if isinstance(listed, list) else []


def decode_capabilities(body: bytes) -> RunnerCapabilities:
    """What a runner says it can do, flat or below `capabilities`; nothing where it does not say."""
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
    if not isinstance(found, dict):
        return None
    facts = found.get("job", found)
    if not isinstance(facts, dict):
        return None
    job_id, word = facts.get("jobId", facts.get("job_id")), facts.get("state")
    if type(job_id) is int:
        job_id = str(job_id)
    if not isinstance(job_id, str) or not isinstance(word, str) or not job_id:
        return None
    state = _STATES.get(word) or _STATES.get(word.strip().upper(), JobState.UNKNOWN)
    message = ""
    if state in _TOLD:
        message = _text(facts.get("message") or facts.get("error") or facts.get("reason"))
    return RunnerJob(job_id, state, message, _printable(word))


def _printable(text: str) -> str:
    """Without control characters: a runner's words must not steer a terminal."""
    return text if text.isprintable() else _CONTROLS.sub("", text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    text = _printable(text)
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"


def error_text(body: bytes) -> str:
    """An error's body for people: the message in its JSON, or the start of its text."""
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
