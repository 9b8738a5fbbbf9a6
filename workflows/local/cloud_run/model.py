"""A job as the API stores it, and what one execution reads from its template and overrides.

The template is stored as it was sent, so that no field of a client is lost.
Nothing runs here.
"""

from __future__ import annotations

import copy
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workflows.local.cloud_run.refusals import invalid_argument

Json = dict[str, Any]
DEFAULT_TIMEOUT_S = 600.0
DEFAULT_RETRIES = 3
MAX_RETRIES = 10
MAX_TIMEOUT_S = 168 * 3600.0
MAX_ENV_VALUE = 32_768
MAX_ENV = 1_000
RESERVED = frozenset(
    f"CLOUD_RUN_{name}" for name in ("JOB", "EXECUTION", "TASK_INDEX", "TASK_ATTEMPT", "TASK_COUNT")
)
JOB_ID = re.compile(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?")
_DURATION = re.compile(r"(\d+(?:\.\d{1,9})?)s")
_OVERRIDES = {"containerOverrides", "taskCount", "timeout"}
_CONTAINER_OVERRIDES = {"name", "args", "env", "clearArgs"}


def now() -> str:
    """The time now, in the format of the API."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class ExecutionSpec:
    """What one execution runs. `env` maps a name to a value, or to the secret it comes from."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: dict[str, str | tuple[str, str]]
    task_count: int
    parallelism: int
    max_retries: int
    timeout_s: float
    template: Json


@dataclass
class CloudRunJob:
    """A job. `name` is `projects/P/locations/R/jobs/J`."""

    name: str
    template: Json
    labels: dict[str, str] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: secrets.token_hex(16))
    generation: int = 1
    create_time: str = field(default_factory=now)
    update_time: str = field(default_factory=now)
    execution_count: int = 0
    latest: Json = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def etag(self) -> str:
        """Changes with each update."""
        return f'"{self.uid[:8]}-{self.generation}"'

    def shown(self) -> Json:
        """The job as the API answers it."""
        found = {
            "name": self.name,
            "uid": self.uid,
            "generation": str(self.generation),
            "observedGeneration": str(self.generation),
            "labels": self.labels,
            "createTime": self.create_time,
            "updateTime": self.update_time,
            "launchStage": "GA",
            "template": self.template,
            "executionCount": self.execution_count,
            "terminalCondition": {
                "type": "Ready",
                "state": "CONDITION_SUCCEEDED",
                "lastTransitionTime": self.update_time,
            },
            "etag": self.etag,
        }
        return found | ({"latestCreatedExecution": self.latest} if self.latest else {})

    def spec(self, overrides: Json | None = None) -> ExecutionSpec:
        """What an execution runs: an override of `env` is merged, any other one replaces.

        An empty list of args is no override (`clearArgs` is).

        Raises:
            ApiError: 400, for an unknown override or a value that is not allowed.
        """
        template = copy.deepcopy(self.template)
        found = overrides or {}
        _known(found, _OVERRIDES, "overrides")
        task = template["template"]
        if "timeout" in found:
            task["timeout"] = found["timeout"]
        if found.get("taskCount"):
            template["taskCount"] = found["taskCount"]
        for one in found.get("containerOverrides") or []:
            _known(one, _CONTAINER_OVERRIDES, "overrides.container_overrides[0]")
            _override(_container(task, str(one.get("name") or "")), one)
        return spec_of(template)


def _container(task: Json, name: str) -> Json:
    for one in task["containers"]:
        if not name or one.get("name") == name:
            found: Json = one
            return found
    raise invalid_argument(
        f"Container override for '{name}' does not match any container of the job."
    )


def _override(container: Json, override: Json) -> None:
    if override.get("clearArgs") and override.get("args"):
        raise invalid_argument("args and clear_args must not both be set.")
    if override.get("clearArgs"):
        container["args"] = []
    elif override.get("args"):
        container["args"] = override["args"]
    merged = {one["name"]: one for one in container.get("env") or []}
    merged |= {one["name"]: one for one in _env_list(override.get("env"))}
    container["env"] = list(merged.values())


def spec_of(template: Json) -> ExecutionSpec:
    """Read a template; defaults are the API's: one task, 600 s, 3 retries.

    Raises:
        ApiError: 400, for a template without a container or with a value that is not allowed.
    """
    task = template.get("template")
    containers = task.get("containers") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(containers, list) or not containers:
        raise invalid_argument(
            "job.template.template.containers: must have at least one container."
        )
    first = containers[0]
    if not isinstance(first, dict) or not first.get("image"):
        raise invalid_argument("job.template.template.containers[0].image: is required.")
    count = _number(template.get("taskCount") or 1, "task_count", 1, 10_000)
    retries = task.get("maxRetries")
    return ExecutionSpec(
        image=str(first["image"]),
        command=_texts(first.get("command"), "command"),
        args=_texts(first.get("args"), "args"),
        env=_env(_env_list(first.get("env"))),
        task_count=count,
        parallelism=_number(template.get("parallelism") or count, "parallelism", 1, 10_000),
        max_retries=_number(
            DEFAULT_RETRIES if retries is None else retries, "max_retries", 0, MAX_RETRIES
        ),
        timeout_s=_seconds(task.get("timeout")),
        template=template,
    )


def _env_list(value: Any) -> list[Json]:
    found = value or []
    good = isinstance(found, list) and all(isinstance(o, dict) and o.get("name") for o in found)
    if not good or len(found) > MAX_ENV:
        raise invalid_argument(f"env: must be at most {MAX_ENV} objects with a name.")
    for one in found:
        if one["name"] in RESERVED:
            raise invalid_argument(f"env: the name {one['name']} is reserved.")
        if len(str(one.get("value", ""))) > MAX_ENV_VALUE:
            raise invalid_argument(
                f"env: the value of {one['name']} is longer than {MAX_ENV_VALUE}."
            )
    return list(found)


def _env(found: list[Json]) -> dict[str, str | tuple[str, str]]:
    env: dict[str, str | tuple[str, str]] = {}
    for one in found:
        secret = (one.get("valueSource") or {}).get("secretKeyRef")
        if secret:
            env[one["name"]] = (str(secret["secret"]), str(secret.get("version") or "latest"))
        else:
            env[one["name"]] = str(one.get("value", ""))
    return env


def _texts(value: Any, name: str) -> tuple[str, ...]:
    found = value or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise invalid_argument(f"{name}: must be a list of strings.")
    return tuple(found)


def _number(value: Any, name: str, least: int, most: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = least - 1
    if not least <= number <= most:
        raise invalid_argument(f"{name}: must be between {least} and {most}.")
    return number


def _seconds(value: Any) -> float:
    if value is None:
        return DEFAULT_TIMEOUT_S
    match = _DURATION.fullmatch(str(value))
    seconds = float(match[1]) if match else 0.0
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise invalid_argument(f"timeout: {value!r} must look like '600s', at most 168 hours.")
    return seconds


def _known(value: Any, names: set[str], place: str) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f"Invalid value at '{place}'.")
    for name in value:
        if name not in names:
            raise invalid_argument(
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}':"
                " Cannot find field."
            )
