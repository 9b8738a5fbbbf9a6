"""From the body of POST /job to a checked `JobRequest`, or to an error that names each mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workflows.core.nearest import nearest
from workflows.task_runner.job import JobRequest
from workflows.task_runner.responses import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = ("job_name", "imageUri", "args", "env")
MAX_NAME = 256
MAX_IMAGE = 2_048
MAX_ARGS = 1_000
MAX_ENV = 1_000


def parse_job_request(body: bytes) -> JobRequest:
    """The request in a JSON body; `args` and `env` may be missing or null.

    Raises:
        RequestRejected: 400, with every finding.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRejected(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestRejected(400, "the body must be a JSON object")
    found = "; ".join(_findings(value))
    if found:
        raise RequestRejected(400, found)
    env = value.get("env") or {}
    return JobRequest(value["job_name"], value["imageUri"], tuple(value.get("args") or ()), env)


def _findings(value: dict[str, Any]) -> Iterator[str]:
    yield from _unknown_keys(value)
    for key, longest in (("job_name", MAX_NAME), ("imageUri", MAX_IMAGE)):
        if not _usable(value.get(key), longest):
            yield f"{key} must be a text that is neither empty nor too long"
    args, env = value.get("args"), value.get("env")
    if args is not None:
        yield from _args_findings(args)
    if env is not None:
        yield from _env_findings(env)


def _unknown_keys(value: dict[str, Any]) -> Iterator[str]:
    for key in value:
        if key not in KEYS:
            close = nearest(key, KEYS)
            yield f"unknown key {key!r}" + (f", did you mean {close}?" if close else "")


def _args_findings(args: Any) -> Iterator[str]:
    if not isinstance(args, list) or len(args) > MAX_ARGS or not all(map(_text, args)):
        yield f"args must be a list of at most {MAX_ARGS} texts"


def _env_findings(env: Any) -> Iterator[str]:
    if not isinstance(env, dict) or len(env) > MAX_ENV or not all(map(_text, env.values())):
        yield f"env must be an object of at most {MAX_ENV} texts"
    elif not all(name and "=" not in name and _text(name) for name in env):
        yield "a name in env is empty, or holds = or a NUL"


def _text(value: Any) -> bool:
    """Whether this can be an argument or variable of a program: valid UTF-8 without a NUL."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _usable(value: Any, length: int) -> bool:
    return _text(value) and 0 < len(value) <= length
