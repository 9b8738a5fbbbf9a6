"""Settings: what the operator sets through environment variables, checked once at start.

Every setting is declared here and nowhere else, with its variable, limits, default, description and
whether it is secret. The table in docs/operations.md is generated from here.
"""

from __future__ import annotations

from typing import Any

from workflows.core.config import environment
from workflows.core.config.choices import FlowSteps, LogFormat, LogLevel, PrefectMode, Sandbox
from workflows.core.config.declare import (
    Secret,
    Values,
    choice,
    integer,
    json_object,
    number,
    secret_text,
    secret_words,
    shown_value,
    switch,
    text,
    words,
)
from workflows.core.errors import SettingsInvalid

RUN_ID = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""What an id of a run looks like; one of dots alone would be a folder's name."""

_PROVIDER_FIELDS = {
    "openai": ("openai_api_key", "openai_base_url"),
    "anthropic": ("anthropic_api_key",),
    "google": ("google_api_key",),
    "aws_bedrock": ("aws_access_key_id", "aws_secret_access_key", "aws_region"),
    "litellm": ("litellm_api_key", "litellm_base_url"),
}
PROVIDERS = tuple(_PROVIDER_FIELDS)


class Settings(Values):
    """Everything Workflows reads from its environment. Secrets are `Secret`, and do not show."""

    git_token = secret_text(
        "Access token for clone and push over HTTP(S). Only git's credential helper sees it.",
        variable="GIT_TOKEN",
    )
    git_username = text(
        "oauth2",
        "User name sent with the token. `oauth2` is right for GitLab personal, project and group "
        "tokens.",
        variable="GIT_USERNAME",
    )
    git_token_hosts = words(
        "Hosts (`gitlab.example.com`, `host:8443`) that GIT_TOKEN may be sent to, separated by "
        "spaces; not set: the host of `git_url`, whichever it is.",
        variable="GIT_TOKEN_HOSTS",
    )
    git_timeout_s = number(
        900,
        "Longest time one git command may take, in seconds.",
        variable="GIT_TIMEOUT_S",
        above=0,
        most=86_400,
        unit="seconds",
    )
    git_ca_file = text(
        None,
        "File with the certificate authority of a self-managed GitLab, for git and for its API.",
        variable="GIT_SSL_CAINFO",
    )
    gitlab_url = text(
        None,
        "The GitLab to work with, with its sub-path if it has one: `https://gitlab.example.com`.",
        variable="GITLAB_URL",
        pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$",
    )
    gitlab_token = secret_text(
        "Access token for GitLab's API (scope `api`); sent to GITLAB_URL only. git uses it too "
        "where GIT_TOKEN is not set.",
        variable="GITLAB_TOKEN",
    )
    gitlab_timeout_s = number(
        30,
        "Longest time one request to GitLab's API may take, in seconds.",
        variable="GITLAB_TIMEOUT_S",
        above=0,
        most=600,
        unit="seconds",
    )
    lease_s = number(
        180,
        "How long the claim on an issue holds without a heartbeat from its run, in seconds.",
        variable="WORKFLOWS_LEASE_S",
        least=1,
        most=3_600,
        unit="seconds",
    )
    pluscoder = text(
        None,
        "The PlusCoder program; not set: the one that `workflows agent install` made, else the one "
        "on PATH.",
        variable="WORKFLOWS_PLUSCODER",
    )
    sandbox = choice(
        Sandbox.AUTO,
        "`auto` runs agents and checks in bubblewrap where it works, `bubblewrap` refuses to run "
        "without it, `off` never uses it.",
        variable="WORKFLOWS_SANDBOX",
    )
    agent_log_folder = text(
        None,
        "Folder that keeps the agents' logs; not set: they go when the run ends.",
        variable="WORKFLOWS_AGENT_LOG_FOLDER",
    )
    protected_paths_allowed = words(
        "Protected paths an agent may change all the same, as glob patterns separated by spaces. "
        "Such a push starts no pipeline.",
        variable="WORKFLOWS_ALLOW_PROTECTED_PATHS",
    )
    max_changed_files = integer(
        300,
        "Most files one change of an agent may touch.",
        variable="WORKFLOWS_MAX_CHANGED_FILES",
        least=1,
        unit="files",
    )
    max_file_bytes = integer(
        1_000_000,
        "Size in bytes above which a file an agent wrote is left out of the commit.",
        variable="WORKFLOWS_MAX_FILE_BYTES",
        least=1,
        unit="bytes",
    )
    openai_api_key = secret_text("Key of the provider `openai`.", variable="OPENAI_API_KEY")
    openai_base_url = text(
        None,
        "Another server that speaks OpenAI's API, such as `http://127.0.0.1:11434/v1`.",
        variable="OPENAI_BASE_URL",
        pattern=r"^https?://\S+$",
    )
    anthropic_api_key = secret_text(
        "Key of the provider `anthropic`.", variable="ANTHROPIC_API_KEY"
    )
    google_api_key = secret_text("Key of the provider `google`.", variable="GOOGLE_API_KEY")
    aws_access_key_id = secret_text(
        "Key of the provider `aws_bedrock`, with the two below.", variable="AWS_ACCESS_KEY_ID"
    )
    aws_secret_access_key = secret_text(
        "Secret of AWS_ACCESS_KEY_ID.", variable="AWS_SECRET_ACCESS_KEY"
    )
    aws_region = text(None, "Region of the provider `aws_bedrock`.", variable="AWS_REGION_NAME")
    litellm_api_key = secret_text("Key of the provider `litellm`.", variable="LITELLM_API_KEY")
    litellm_base_url = text(
        None,
        "Address of the LiteLLM proxy for the provider `litellm`.",
        variable="LITELLM_API_BASE",
        pattern=r"^https?://\S+$",
    )
    retries = integer(
        3,
        "How often a step is tried again after an error that may pass.",
        variable="WORKFLOWS_RETRIES",
        least=0,
        most=10,
    )
    retry_delay_s = number(
        1,
        "Wait before the first retry, in seconds; it doubles each time, up to 30 s.",
        variable="WORKFLOWS_RETRY_DELAY_S",
        least=0,
        most=60,
        unit="seconds",
    )
    allow_local_repositories = switch(
        "Accept `file://` URLs and paths on this machine as `git_url`.",
        variable="WORKFLOWS_ALLOW_LOCAL_REPOSITORIES",
    )
    notify_urls = secret_words(
        "Where to send the outcome: Apprise URLs, separated by spaces or line ends.",
        variable="NOTIFY_URLS",
    )
    notify_timeout_s = number(
        15,
        "Longest time all notifications of a run may take together, in seconds.",
        variable="NOTIFY_TIMEOUT_S",
        above=0,
        most=300,
        unit="seconds",
    )
    log_level = choice(
        LogLevel.INFO,
        "Least severe log line written: DEBUG, INFO, WARNING or ERROR.",
        variable="LOG_LEVEL",
    )
    log_format = choice(
        LogFormat.AUTO,
        "`text`, `json`, or `auto`: JSON where `CLOUD_RUN_JOB` is set.",
        variable="LOG_FORMAT",
    )
    run_id = text(
        None,
        "Id of this run in logs and results; made up where it is not set.",
        variable="WORKFLOWS_RUN_ID",
        pattern=RUN_ID,
        longest=128,
    )
    workflow_name = text(
        None,
        "The flow that `python -m workflows` runs without a command, as in a Cloud Run Job.",
        variable="WORKFLOW_NAME",
    )
    workflow_parameters = json_object(
        "Parameters of the deployment's own as one JSON object, such as "
        '`{"check_command": "make test"}`; flags win over them.',
        variable="WORKFLOW_PARAMETERS",
    )
    run_url = text(
        None,
        "Page of this run or of its log; the note on an issue links to it.",
        variable="WORKFLOWS_RUN_URL",
        pattern=r"^https?://[^\s()<>]+$",
    )
    topic = text(
        None,
        "The Pub/Sub topic of the deployment, `projects/PROJECT/topics/TOPIC`; `workflows trigger` "
        "publishes to it.",
        variable="WORKFLOWS_TOPIC",
        pattern=r"^projects/[^/\s]+/topics/[^/\s]+$",
    )
    pubsub_emulator = text(
        None,
        "`host:port` of a Pub/Sub emulator to publish to in place of Google's, without "
        "credentials.",
        variable="PUBSUB_EMULATOR_HOST",
        pattern=r"^[^\s/@]+:[0-9]+$",
    )
    cloud_run_job = text(
        None, "Set by Cloud Run: the job's name. Turns on JSON logs.", variable="CLOUD_RUN_JOB"
    )
    cloud_run_execution = text(
        None,
        "Set by Cloud Run: the execution's name, used as run id.",
        variable="CLOUD_RUN_EXECUTION",
    )
    task_runner_auth_jwt = secret_text(
        "What `workflows task-runner serve` asks its callers for: a bearer token, or the secret "
        "that signs theirs (HS256).",
        variable="TASK_RUNNER_AUTH_JWT",
    )
    prefect_api_url = text(
        None,
        "A Prefect server or Prefect Cloud, where runs are shown. Not needed to run.",
        variable="PREFECT_API_URL",
        pattern=r"^https?://[^\s/]+(/\S*)?$",
    )
    prefect_api_key = secret_text(
        "Key for Prefect Cloud; read by Prefect itself.", variable="PREFECT_API_KEY"
    )
    prefect_api_auth = secret_text(
        "`user:password` of a self-hosted Prefect server; read by Prefect itself.",
        variable="PREFECT_API_AUTH_STRING",
    )
    prefect_mode = choice(
        PrefectMode.AUTO,
        "`auto` shows runs in Prefect where `PREFECT_API_URL` is set, `off` never, `ephemeral` "
        "starts a server for the run.",
        variable="WORKFLOWS_PREFECT",
    )
    prefect_start_s = number(
        15,
        "How long Prefect may take before the work begins, in seconds; then it begins without it.",
        variable="WORKFLOWS_PREFECT_START_S",
        above=0,
        most=600,
        unit="seconds",
    )
    prefect_grace_s = number(
        8,
        "How long the process may wait for Prefect after the work is done, in seconds.",
        variable="WORKFLOWS_PREFECT_GRACE_S",
        above=0,
        most=60,
        unit="seconds",
    )
    tr_auth_jwt = secret_text(
        "Token for the Task Runner, `none` to send none; not set: Google ID tokens.",
        variable="TR_AUTH_JWT",
    )
    check_state_duration_s = number(
        None,
        "Time between two polls of a job of a DAG run, in seconds; not set: as the jobs' durations "
        "suggest.",
        variable="WORKFLOW_CHECK_STATE_DURATION_SEC",
        least=0,
        most=86_400,
        unit="seconds",
    )
    flow_steps = choice(
        FlowSteps.LOCAL,
        "Where steps of a DAG that are flows run: `local`, as child processes, or `cloud`, as "
        "executions of the Cloud Run Jobs in WORKFLOW_JOBS.",
        variable="WORKFLOWS_FLOW_STEPS",
    )
    workflow_jobs = text(
        None,
        'The Cloud Run Job of each flow, for flow steps and the Cloud Functions: `{"hello_world": '
        '"workflows-hello-world", …}`.',
        variable="WORKFLOW_JOBS",
    )
    project = text(
        None,
        "The Google Cloud project of jobs that WORKFLOW_JOBS gives a short name.",
        variable="WORKFLOWS_PROJECT",
    )
    region = text(
        None,
        "The region of jobs that WORKFLOW_JOBS gives a short name.",
        variable="WORKFLOWS_REGION",
    )
    cloud_run_api = text(
        None,
        "Another address of Cloud Run's API, such as that of `workflows local cloud-run`.",
        variable="CLOUD_RUN_API",
    )
    cloud_run_token = secret_text(
        "Token for CLOUD_RUN_API where that is on this machine; Google's is never sent there.",
        variable="CLOUD_RUN_TOKEN",
    )
    journal_days = number(
        30,
        "How long the journal of a DAG run that has ended is kept on this machine, in days; 0 "
        "keeps all.",
        variable="WORKFLOWS_JOURNAL_DAYS",
        least=0,
        most=36_500,
        unit="days",
    )

    @property
    def json_logs(self) -> bool:
        """Whether log lines are JSON objects."""
        if self.log_format is LogFormat.AUTO:
            return self.cloud_run_job is not None
        return self.log_format is LogFormat.JSON

    @property
    def given_run_id(self) -> str | None:
        """The id that the operator or Cloud Run gave this run; None where neither did."""
        return self.run_id or self.cloud_run_execution

    def secrets(self) -> list[str]:
        """Every secret value, for the redactor."""
        lists = [value if isinstance(value, tuple) else (value,) for value in vars(self).values()]
        found = [one for values in lists for one in values if isinstance(one, Secret)]
        texts = [one.get_secret_value() for one in found]
        return [one for one in texts if one != "none"]  # TR_AUTH_JWT may be that word

    @classmethod
    def key_variables(cls, provider: str) -> list[str]:
        """The variables with the keys of a provider, all of which it needs."""
        fields = [cls.declared()[name] for name in _PROVIDER_FIELDS[provider]]
        return [one.variable for one in fields if one.secret]

    def model_variables(self, provider: str) -> dict[str, str]:
        """What an agent needs to reach this provider, as environment variables; no more."""
        found: dict[str, str] = {}
        for name in _PROVIDER_FIELDS.get(provider, ()):
            value = getattr(self, name)
            if value is not None:
                plain = value.get_secret_value() if isinstance(value, Secret) else value
                found[self.declared()[name].variable] = plain
        return found


def load(**overrides: Any) -> Settings:
    """Read the environment once, with `overrides` (by the settings' names) on top.

    Raises:
        SettingsInvalid: one line for each variable that cannot be used.
    """
    given = {n: environment.variable(one.variable) for n, one in Settings.declared().items()}
    values, problems = Settings.read(given, lambda one: one.variable)
    if problems:
        raise SettingsInvalid(
            "environment variables with values that cannot be used",
            why="\n".join(problems),
            fix="see the settings table in docs/operations.md",
        )
    return Settings(**(values | overrides))


def settings_table() -> list[tuple[str, str, str]]:
    """Every setting as (variable, default, description), in the order of the declarations."""
    declared = Settings.declared().values()
    shown = ["" if one.default in (None, (), {}) else shown_value(one.default) for one in declared]
    return [
        (one.variable, text, one.description) for one, text in zip(declared, shown, strict=True)
    ]
