"""Reads and checks the mock's behaviour from a file or flags.

A random choice is a hash of the seed and its subject: a job's name and run, or the number of a
request. So the same seed repeats a run, and the choice for one job does not depend on other jobs.
"""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from hashlib import blake2b
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from workflows.core.errors import ParametersInvalid

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.task_runner.job import JobRequest

_NORMAL = NormalDist()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Duration(_Part):
    """Log-normal with this median in seconds; sigma 0 is the same each time."""

    median: float = Field(0, ge=0, le=86_400)
    sigma: float = Field(0, ge=0, le=10)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """`2` is two seconds, `"2:1"` a median of 2 s with sigma 1."""
        if isinstance(value, int | float):
            return {"median": value}
        if isinstance(value, str):
            median, _, sigma = value.partition(":")
            return {"median": median, "sigma": sigma or 0}
        return value

    def seconds(self, chance: float) -> float:
        """The duration for a number between 0 and 1."""
        if not self.sigma:
            return self.median
        return self.median * math.exp(
            self.sigma * _NORMAL.inv_cdf(min(max(chance, 1e-9), 1 - 1e-9))
        )


class MockRule(_Part):
    """Values for jobs whose name and image match the patterns (`*`, `?`); unset: the plan's."""

    job: str = "*"
    image: str = "*"
    duration: Duration | None = None
    queue: float | None = Field(None, ge=0)
    failure_rate: float | None = Field(None, ge=0, le=1)
    fail_times: int = Field(0, ge=0)
    message: str = ""
    exit_code: int = Field(1, ge=1, le=255)


class Storm(_Part):
    """After every `every` requests the next `length` are answered 429 with Retry-After."""

    every: int = Field(ge=1)
    length: int = Field(ge=1)
    retry_after: float = Field(1, ge=0)


class MockPlan(_Part):
    """Everything the mock may do. Rates are between 0 and 1, times in seconds.

    Of requests, `error_rate` are answered with `error_status` and `drop_rate` cut off, both without
    being carried out; `lost_rate` are carried out and cut off. The first rule that matches
    a job applies; `fail_times` makes the first jobs of a name fail, whatever the rate.
    """

    seed: int = 0
    duration: Duration = Duration()
    queue: float = Field(0, ge=0)
    cancel: float = Field(0, ge=0)
    failure_rate: float = Field(0, ge=0, le=1)
    latency: float = Field(0, ge=0, le=60)
    error_rate: float = Field(0, ge=0, le=1)
    error_status: int = Field(500, ge=500, le=599)
    drop_rate: float = Field(0, ge=0, le=1)
    lost_rate: float = Field(0, ge=0, le=1)
    storm: Storm | None = None
    jobs: tuple[MockRule, ...] = ()

    @field_validator("lost_rate")
    @classmethod
    def _sum(cls, value: float, info: Any) -> float:
        if value + info.data.get("error_rate", 0) + info.data.get("drop_rate", 0) > 1:
            raise ValueError("error_rate, drop_rate and lost_rate are more than 1 together")
        return value

    @classmethod
    def read(cls, path: Path | None, **flags: Any) -> MockPlan:
        """The plan of a YAML or JSON file, with the flags that are given on top.

        Raises:
            ParametersInvalid: the file cannot be read, or a line for each value that is wrong.
        """
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8")) if path else {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ParametersInvalid(f"{path} cannot be read", why=str(error)) from error
        if not isinstance(found or {}, dict):
            raise ParametersInvalid(f"{path} is not a mapping")
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls.model_validate((found or {}) | given)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ParametersInvalid(
                "the plan of the mock cannot be used", why="\n".join(lines)
            ) from None

    def chance(self, *words: str | int) -> float:
        """A number in [0, 1) that depends on the seed and the words only."""
        text = "\0".join(map(str, (self.seed, *words)))
        digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def rule(self, request: JobRequest) -> MockRule | None:
        """The first rule that matches the request."""
        for rule in self.jobs:
            if fnmatchcase(request.name, rule.job) and fnmatchcase(request.image, rule.image):
                return rule
        return None

    def times(self, request: JobRequest, run: int) -> tuple[float, float]:
        """How long the job waits, and then runs, in seconds."""
        rule = self.rule(request) if self.jobs else None
        queue = self.queue if rule is None or rule.queue is None else rule.queue
        duration = self.duration if rule is None or rule.duration is None else rule.duration
        chance = self.chance("duration", request.name, run) if duration.sigma else 0.0
        return queue, duration.seconds(chance)

    def failure(self, request: JobRequest, run: int) -> tuple[str, int] | None:
        """Message and exit code of a job that fails; None: it succeeds."""
        rule = (self.rule(request) if self.jobs else None) or _NO_RULE
        rate = self.failure_rate if rule.failure_rate is None else rule.failure_rate
        fails = run <= rule.fail_times or (
            rate > 0 and self.chance("failure", request.name, run) < rate
        )
        if not fails:
            return None
        return rule.message or f"the mock let {request.name} fail (run {run})", rule.exit_code


_NO_RULE = MockRule()
