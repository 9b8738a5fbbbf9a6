"""Settings: what the operator sets through environment variables, checked once at start.

`load()` is the only way in. Every field is described; the table in docs/operations.md is
generated from here. The variables themselves are read by `core.config.environment`.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from workflows.core.config import environment
from workflows.core.config.choices import LogFormat, LogLevel, PrefectMode, Sandbox
from workflows.core.config.dag_settings import DagSettings
from workflows.core.errors import SettingsInvalid

_PROVIDER_FIELDS = {
    "openai": ("openai_api_key", "openai_base_url"),
    "anthropic": ("anthropic_api_key",),
    "google": ("google_api_key",),
    "aws_bedrock": ("aws_access_key_id", "aws_secret_access_key", "aws_region"),
    "litellm": ("litellm_api_key", "litellm_base_url"),
}
PROVIDERS = tuple(_PROVIDER_FIELDS)


class Settings(DagSettings):
    """Everything Workflows reads from its environment. Secrets are `SecretStr`."""

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
    git_ca_file: str | None = Field(
        None,
        validation_alias="GIT_SSL_CAINFO",
        description="File with the certificate authority of a self-managed GitLab, for git and "
        "for its API.",
    )
    gitlab_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$",
        validation_alias="GITLAB_URL",
        description="The GitLab to work with, with its sub-path if it has one: "
        "`https://gitlab.example.com`.",
    )
    gitlab_token: SecretStr | None = Field(
        None,
        validation_alias="GITLAB_TOKEN",
        description="Access token for GitLab's API (scope `api`); sent to GITLAB_URL only. git "
        "uses it too where GIT_TOKEN is not set.",
    )
    gitlab_timeout_s: float = Field(
        30,
        gt=0,
        le=600,
        validation_alias="GITLAB_TIMEOUT_S",
        description="Longest time one request to GitLab's API may take, in seconds.",
    )
    lease_s: float = Field(
        180,
        ge=1,
        le=3_600,
        validation_alias="WORKFLOWS_LEASE_S",
        description="How long the claim on an issue holds without a heartbeat from its run, in "
        "seconds.",
    )
    pluscoder: str | None = Field(
        None,
        validation_alias="WORKFLOWS_PLUSCODER",
        description="The PlusCoder program; not set: the one that `workflows agent install` made, "
        "else the one on PATH.",
    )
    sandbox: Sandbox = Field(
        Sandbox.AUTO,
        validation_alias="WORKFLOWS_SANDBOX",
        description="`auto` runs agents and checks in bubblewrap where it works, `bubblewrap` "
        "refuses to run without it, `off` never uses it.",
    )
    agent_log_folder: str | None = Field(
        None,
        validation_alias="WORKFLOWS_AGENT_LOG_FOLDER",
        description="Folder that keeps the agents' logs; not set: they go when the run ends.",
    )
    protected_paths_allowed: tuple[str, ...] = Field(
        (),
        validation_alias="WORKFLOWS_ALLOW_PROTECTED_PATHS",
        description="Protected paths an agent may change all the same, as glob patterns separated "
        "by spaces. Such a push starts no pipeline.",
    )
    max_changed_files: int = Field(
        300,
        ge=1,
        validation_alias="WORKFLOWS_MAX_CHANGED_FILES",
        description="Most files one change of an agent may touch.",
    )
    max_file_bytes: int = Field(
        1_000_000,
        ge=1,
        validation_alias="WORKFLOWS_MAX_FILE_BYTES",
        description="Size in bytes above which a file an agent wrote is left out of the commit.",
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Key of the provider `openai`."
    )
    openai_base_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        validation_alias="OPENAI_BASE_URL",
        description="Another server that speaks OpenAI's API, such as `http://127.0.0.1:11434/v1`.",
    )
    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Key of the provider `anthropic`."
    )
    google_api_key: SecretStr | None = Field(
        None, validation_alias="GOOGLE_API_KEY", description="Key of the provider `google`."
    )
    aws_access_key_id: SecretStr | None = Field(
        None,
        validation_alias="AWS_ACCESS_KEY_ID",
        description="Key of the provider `aws_bedrock`, with the two below.",
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", description="Secret of AWS_ACCESS_KEY_ID."
    )
    aws_region: str | None = Field(
        None,
        validation_alias="AWS_REGION_NAME",
        description="Region of the provider `aws_bedrock`.",
    )
    litellm_api_key: SecretStr | None = Field(
        None, validation_alias="LITELLM_API_KEY", description="Key of the provider `litellm`."
    )
    litellm_base_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        validation_alias="LITELLM_API_BASE",
        description="Address of the LiteLLM proxy for the provider `litellm`.",
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
    workflow_parameters: dict[str, Any] = Field(
        {},
        validation_alias="WORKFLOW_PARAMETERS",
        description="Parameters of the deployment's own as one JSON object, such as "
        '`{"check_command": "make test"}`; flags win over them.',
    )
    run_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s()<>]+$",
        validation_alias="WORKFLOWS_RUN_URL",
        description="Page of this run or of its log; the note on an issue links to it.",
    )
    topic: str | None = Field(
        None,
        pattern=r"^projects/[^/\s]+/topics/[^/\s]+$",
        validation_alias="WORKFLOWS_TOPIC",
        description="The Pub/Sub topic of the deployment, `projects/PROJECT/topics/TOPIC`; "
        "`workflows trigger` publishes to it.",
    )
    pubsub_emulator: str | None = Field(
        None,
        pattern=r"^[^\s/@]+:[0-9]+$",
        validation_alias="PUBSUB_EMULATOR_HOST",
        description="`host:port` of a Pub/Sub emulator to publish to in place of Google's, without "
        "credentials.",
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
    task_runner_auth_jwt: SecretStr | None = Field(
        None,
        validation_alias="TASK_RUNNER_AUTH_JWT",
        description="What `workflows task-runner serve` asks its callers for: a bearer token, or "
        "the secret that signs theirs (HS256).",
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

    @field_validator("notify_urls", "git_token_hosts", "protected_paths_allowed", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("workflow_parameters", mode="before")
    @classmethod
    def _object(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise PydanticCustomError("json_object", "is not a JSON object")
        return found

    @property
    def json_logs(self) -> bool:
        """Whether log lines are JSON objects."""
        if self.log_format is LogFormat.AUTO:
            return self.cloud_run_job is not None
        return self.log_format is LogFormat.JSON

    def secrets(self) -> list[str]:
        """Every secret value, for the redactor."""
        values = [getattr(self, name) for name in type(self).model_fields]
        found = [v for v in (*values, *self.notify_urls) if isinstance(v, SecretStr)]
        texts = [secret.get_secret_value() for secret in found]
        return [text for text in texts if text and text != "none"]  # TR_AUTH_JWT may be that word

    def model_variables(self, provider: str) -> dict[str, str]:
        """What an agent needs to reach this provider, as environment variables; no more."""
        names = _PROVIDER_FIELDS.get(provider, ())
        found: dict[str, str] = {}
        for name in names:
            value = getattr(self, name)
            if value is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else value
                found[str(type(self).model_fields[name].validation_alias)] = text
        return found


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
    """Every setting as (variable, default, description), as declared, those of DAG runs last."""
    rows = []
    fields = Settings.model_fields
    for name in sorted(fields, key=DagSettings.model_fields.__contains__):
        field = fields[name]
        default = field.default
        shown = "" if default in (None, (), {}) else str(default).lower()
        if isinstance(default, LogLevel):
            shown = default.value
        rows.append((str(field.validation_alias), shown, field.description or ""))
    return rows
