"""Settings of DAG runs; `core.config.settings` adds all others. `dag run` reads them raw."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class DagSettings(BaseModel):
    """What DAG runs read from the environment."""

    model_config = ConfigDict(frozen=True)

    tr_auth_jwt: SecretStr | None = Field(
        None,
        validation_alias="TR_AUTH_JWT",
        description="Token for the Task Runner, `none` to send none; not set: Google ID tokens.",
    )
    check_state_duration_s: float | None = Field(
        None,
        ge=0,
        le=86_400,
        validation_alias="WORKFLOW_CHECK_STATE_DURATION_SEC",
        description="Time between two looks at a job of a DAG run, in seconds; not set: as the"
        " jobs' durations suggest.",
    )
    flow_steps: str = Field(
        "local",
        pattern="^(local|cloud)$",
        validation_alias="WORKFLOWS_FLOW_STEPS",
        description="Where steps of a DAG that are flows run: `local`, as child processes, or"
        " `cloud`, as executions of the Cloud Run Jobs in WORKFLOW_JOBS.",
    )
    workflow_jobs: str | None = Field(
        None,
        validation_alias="WORKFLOW_JOBS",
        description="The Cloud Run Job of each flow, for flow steps and the Cloud Functions:"
        ' `{"hello_world": "workflows-hello-world", …}`.',
    )
    project: str | None = Field(
        None,
        validation_alias="WORKFLOWS_PROJECT",
        description="The Google Cloud project of jobs that WORKFLOW_JOBS gives a short name.",
    )
    region: str | None = Field(
        None,
        validation_alias="WORKFLOWS_REGION",
        description="The region of jobs that WORKFLOW_JOBS gives a short name.",
    )
    cloud_run_api: str | None = Field(
        None,
        validation_alias="CLOUD_RUN_API",
        description="Another address of Cloud Run's API, such as that of `workflows local"
        " cloud-run`.",
    )
    journal_days: float = Field(
        30,
        ge=0,
        le=36_500,
        validation_alias="WORKFLOWS_JOURNAL_DAYS",
        description="How long the journal of a DAG run that has ended is kept on this machine, in"
        " days; 0 keeps all.",
    )
