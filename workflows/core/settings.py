"""Settings: what the operator sets through environment variables, checked once at start.

`load()` is the only way in. Every field is described; the table in docs/operations.md is
generated from here. The variables themselves are read by `core.environment`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from workflows.core import environment
from workflows.core.errors import SettingsInvalid


class PrefectMode(StrEnum):
    """Whether a run is shown in Prefect."""

    AUTO = "auto"
    OFF = "off"
    EPHEMERAL = "ephemeral"


class LogFormat(StrEnum):
    """How log lines look; `auto` is JSON in Cloud Run and text elsewhere."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe log line that is written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Settings(BaseModel):
    """Everything Workflows reads from its environment. Secrets are `SecretStr`."""

    model_config = ConfigDict(frozen=True)

    git_token: SecretStr | None = Field(
        None,
        validation_alias="GIT_TOKEN",
        description="Access token for clone and push over HTTP(S). Only git's credential "
        "helper sees it.",
    )
    git_username: str = Field(
        "oauth2",
        min_length=1,
        validation_alias="GIT_USERNAME",
        description="User name sent with the token. `oauth2` is right for GitLab personal, "
        "project and group tokens.",
    )
    git_token_hosts: tuple[str, ...] = Field(
        (),
        validation_alias="GIT_TOKEN_HOSTS",
        description="Hosts (`gitlab.example.com`, `host:8443`) that GIT_TOKEN may be sent to, "
        "separated by spaces; not set: the host of `git_url`, whichever it is.",
    )
    git_timeout_s: float = Field(
        900,
        gt=0,
        le=86_400,
        validation_alias="GIT_TIMEOUT_S",
        description="Longest time one git command may take, in seconds.",
    )
    retries: int = Field(
        3,
        ge=0,
        le=10,
        validation_alias="WORKFLOWS_RETRIES",
        description="How often a step is tried again after an error that may pass.",
    )
    retry_delay_s: float = Field(
        1,
        ge=0,
        le=60,
        validation_alias="WORKFLOWS_RETRY_DELAY_S",
        description="Wait before the first retry, in seconds; it doubles each time, up to 30 s.",
    )
    allow_local_repositories: bool = Field(
        default=False,
        validation_alias="WORKFLOWS_ALLOW_LOCAL_REPOSITORIES",
        description="Accept `file://` URLs and paths on this machine as `git_url`.",
    )
    notify_urls: tuple[SecretStr, ...] = Field(
        (),
        validation_alias="NOTIFY_URLS",
        description="Where to send the outcome: Apprise URLs, separated by spaces or line ends.",
    )
    notify_timeout_s: float = Field(
        15,
        gt=0,
        le=300,
        validation_alias="NOTIFY_TIMEOUT_S",
        description="Longest time all notifications of a run may take together, in seconds.",
    )
    log_level: LogLevel = Field(
        LogLevel.INFO,
        validation_alias="LOG_LEVEL",
        description="Least severe log line written: DEBUG, INFO, WARNING or ERROR.",
    )
    log_format: LogFormat = Field(
        LogFormat.AUTO,
        validation_alias="LOG_FORMAT",
        description="`text`, `json`, or `auto`: JSON where `CLOUD_RUN_JOB` is set.",
    )
    run_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        validation_alias="WORKFLOWS_RUN_ID",
        description="Id of this run in logs and results; made up where it is not set.",
    )
    cloud_run_job: str | None = Field(
        None,
        validation_alias="CLOUD_RUN_JOB",
        description="Set by Cloud Run: the job's name. Turns on JSON logs.",
    )
    cloud_run_execution: str | None = Field(
        None,
        validation_alias="CLOUD_RUN_EXECUTION",
        description="Set by Cloud Run: the execution's name, used as run id.",
    )
    prefect_api_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        validation_alias="PREFECT_API_URL",
        description="A Prefect server or Prefect Cloud, where runs are shown. Not needed to run.",
    )
    prefect_api_key: SecretStr | None = Field(
        None,
        validation_alias="PREFECT_API_KEY",
        description="Key for Prefect Cloud; read by Prefect itself.",
    )
    prefect_api_auth: SecretStr | None = Field(
        None,
        validation_alias="PREFECT_API_AUTH_STRING",
        description="`user:password` of a self-hosted Prefect server; read by Prefect itself.",
    )
    prefect_mode: PrefectMode = Field(
        PrefectMode.AUTO,
        validation_alias="WORKFLOWS_PREFECT",
        description="`auto` shows runs in Prefect where `PREFECT_API_URL` is set, `off` never, "
        "`ephemeral` starts a server for the run.",
    )
    prefect_start_s: float = Field(
        15,
        gt=0,
        le=600,
        validation_alias="WORKFLOWS_PREFECT_START_S",
        description="How long Prefect may take before the work begins, in seconds; then it begins "
        "without it.",
    )
    prefect_grace_s: float = Field(
        8,
        gt=0,
        le=60,
        validation_alias="WORKFLOWS_PREFECT_GRACE_S",
        description="How long the process may wait for Prefect after the work is done, in seconds.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("notify_urls", "git_token_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @property
    def json_logs(self) -> bool:
        """Whether log lines are JSON objects."""
        if self.log_format is LogFormat.AUTO:
            return self.cloud_run_job is not None
        return self.log_format is LogFormat.JSON

    def secrets(self) -> list[str]:
        """Every secret value, for the redactor."""
        single = (self.git_token, self.prefect_api_key, self.prefect_api_auth)
        values = [s.get_secret_value() for s in (*single, *self.notify_urls) if s is not None]
        return [value for value in values if value]


def load(**overrides: Any) -> Settings:
    """Read the environment once, with `overrides` (by field name) on top.

    Raises:
        SettingsInvalid: one line for each variable that cannot be used.
    """
    names = [str(field.validation_alias) for field in Settings.model_fields.values()]
    found = {name: value for name in names if (value := environment.variable(name)) is not None}
    try:
        settings = Settings.model_validate(found)
    except ValidationError as error:
        lines = [_line(str(e["loc"][0]), e["msg"]) for e in error.errors(include_input=False)]
        raise SettingsInvalid(
            "environment variables with values that cannot be used",
            why="\n".join(lines),
            fix="see the settings table in docs/operations.md",
        ) from None
    return settings.model_copy(update=overrides) if overrides else settings


def _line(variable: str, message: str) -> str:
    return f"{variable}: {message[0].lower()}{message[1:]}"


def table() -> list[tuple[str, str, str]]:
    """Every setting as (variable, default, description), in the order of declaration."""
    rows = []
    for field in Settings.model_fields.values():
        default = field.default
        shown = "" if default in (None, ()) else str(default).lower()
        if isinstance(default, LogLevel):
            shown = default.value
        rows.append((str(field.validation_alias), shown, field.description or ""))
    return rows
